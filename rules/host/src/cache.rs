//! Sealed artifacts on disk, with what was found out about their components, so that a restart neither checks nor
//! compiles again. The folder is not trusted: what is read is believed only if its seal fits. A cache that
//! fails is slower, never wrong: its errors are logged and passed over.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::artifact::{self, Key, Label, SEAL};
use crate::rule::Facts;
use crate::settings::CacheSettings;

const SUFFIX: &str = "rule";

/// The sources of all checks of a component. They are part of the key of the seals: what other checks found good is
/// not believed.
const CHECKS: [&str; 4] = [
    include_str!("class.rs"),
    include_str!("manifest.rs"),
    include_str!("validate.rs"),
    include_str!("width.rs"),
];

/// What a file has beside its code at most: a seal, facts with their manifest, and their length.
const HEADER: usize = SEAL + (128 << 10);

pub(crate) struct Cache {
    settings: CacheSettings,
    key: Key,
}

/// A component that was found good, and its machine code.
pub(crate) struct Kept {
    pub(crate) facts: Facts,
    pub(crate) code: Vec<u8>,
}

impl Kept {
    /// The length of the facts, the facts, the code.
    fn to_bytes(facts: &Facts, code: &[u8]) -> Vec<u8> {
        let facts = serde_json::to_vec(facts).expect("facts are plain data");
        let length = u32::try_from(facts.len()).expect("a manifest has a bound");
        [&length.to_le_bytes(), facts.as_slice(), code].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (facts, code) = rest.split_at_checked(length)?;
        Some(Self {
            facts: serde_json::from_slice(facts).ok()?,
            code: code.to_vec(),
        })
    }
}

impl Cache {
    pub(crate) fn open(settings: CacheSettings) -> io::Result<Self> {
        fs::create_dir_all(&settings.folder)?;
        let key = artifact::key_for(&settings.key, &CHECKS);
        Ok(Self { settings, key })
    }

    /// What was kept, if it is there, whole and ours.
    pub(crate) fn read(&self, label: &Label, limit: usize) -> Option<Kept> {
        let path = self.path(label);
        let mut sealed = Vec::new();
        let bound = (limit + HEADER) as u64;
        match fs::File::open(&path).and_then(|file| file.take(bound).read_to_end(&mut sealed)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, "cannot read a compiled rule from the cache");
                return None;
            }
        }
        let kept = artifact::open(&self.key, label, &sealed).and_then(Kept::from_bytes);
        let kept = kept.filter(|kept| kept.code.len() <= limit);
        if kept.is_none() {
            tracing::warn!(path = %path.display(), "a compiled rule in the cache is not ours or out of date; it is removed");
            let _ = fs::remove_file(path);
        }
        kept
    }

    /// Keeps a compiled rule. Readers see the old file or the new one, never a part.
    pub(crate) fn write(&self, label: &Label, facts: &Facts, code: &[u8]) {
        let sealed = artifact::seal(&self.key, label, &Kept::to_bytes(facts, code));
        let written = tempfile::NamedTempFile::new_in(&self.settings.folder).and_then(|mut file| {
            file.write_all(&sealed)?;
            file.persist(self.path(label)).map_err(|error| error.error)
        });
        if let Err(error) = written.and_then(|_| self.shrink()) {
            tracing::warn!(%error, "cannot keep a compiled rule in the cache");
        }
    }

    fn path(&self, label: &Label) -> PathBuf {
        let engine = hex::encode(&label.engine[..8]);
        self.settings
            .folder
            .join(format!("{}-{engine}.{SUFFIX}", label.source))
    }

    /// Removes the oldest files beyond the bound.
    fn shrink(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.settings.folder)? {
            let entry = entry?;
            if entry.path().extension() == Some(Path::new(SUFFIX).as_os_str()) {
                files.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        let Some(excess) = files.len().checked_sub(self.settings.files) else {
            return Ok(());
        };
        files.sort();
        for (_, path) in files.into_iter().take(excess) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::RuleClass;
    use crate::contract::RuleKind;
    use crate::digest::Digest;
    use crate::manifest::Manifest;

    fn facts() -> Facts {
        Facts {
            kind: RuleKind::Pricing,
            class: RuleClass::Small,
            size: 7,
            manifest: Manifest {
                language: Some("rust".into()),
                ..Manifest::default()
            },
        }
    }

    fn label(source: &[u8]) -> Label {
        Label {
            source: Digest::of(source),
            engine: [1; 32],
        }
    }

    #[test]
    fn edited_and_foreign_files_are_refused_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let settings = CacheSettings {
            folder: folder.path().into(),
            key: [7; 32],
            files: 10,
        };
        let cache = Cache::open(settings.clone()).unwrap();
        cache.write(&label(b"a"), &facts(), b"code");
        let kept = cache.read(&label(b"a"), 100).unwrap();
        assert_eq!((kept.facts, kept.code.as_slice()), (facts(), &b"code"[..]));
        assert!(cache.read(&label(b"b"), 100).is_none());

        let other_key = Cache::open(CacheSettings {
            key: [8; 32],
            ..settings
        })
        .unwrap();
        assert!(other_key.read(&label(b"a"), 100).is_none());
        assert!(!cache.path(&label(b"a")).exists());

        cache.write(&label(b"a"), &facts(), b"code");
        fs::copy(cache.path(&label(b"a")), cache.path(&label(b"b"))).unwrap();
        assert!(cache.read(&label(b"b"), 100).is_none(), "another rule's code");

        let mut bytes = fs::read(cache.path(&label(b"a"))).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(cache.path(&label(b"a")), bytes).unwrap();
        assert!(cache.read(&label(b"a"), 100).is_none(), "edited code");

        cache.write(&label(b"a"), &facts(), &[0; 101]);
        assert!(cache.read(&label(b"a"), 100).is_none(), "too large");
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let settings = CacheSettings {
            folder: folder.path().into(),
            key: [7; 32],
            files: 3,
        };
        let cache = Cache::open(settings).unwrap();
        for source in 0..10_u8 {
            cache.write(&label(&[source]), &facts(), b"code");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
