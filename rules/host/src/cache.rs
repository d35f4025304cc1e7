//! Sealed artifacts on disk, so that a restart does not compile again. The folder
//! is not trusted: what is read is believed only if its seal fits. A cache that
//! fails is slower, never wrong: its errors are logged and passed over.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::artifact::{self, Label, SEAL};
use crate::settings::CacheSettings;

const SUFFIX: &str = "rule";

pub(crate) struct Cache {
    settings: CacheSettings,
}

impl Cache {
    pub(crate) fn open(settings: CacheSettings) -> io::Result<Self> {
        fs::create_dir_all(&settings.folder)?;
        Ok(Self { settings })
    }

    /// The code that was kept, if it is there, whole and ours.
    pub(crate) fn read(&self, label: &Label, limit: usize) -> Option<Vec<u8>> {
        let path = self.path(label);
        let mut sealed = Vec::new();
        let bound = (limit + SEAL + 1) as u64;
        match fs::File::open(&path).and_then(|file| file.take(bound).read_to_end(&mut sealed)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, "cannot read a compiled rule from the cache");
                return None;
            }
        }
        match artifact::open(&self.settings.key, label, &sealed) {
            Some(code) if code.len() <= limit => Some(code.to_vec()),
            _ => {
                tracing::warn!(path = %path.display(), "a compiled rule in the cache is not ours; it is removed");
                let _ = fs::remove_file(path);
                None
            }
        }
    }

    /// Keeps code. Readers see the old file or the new one, never a part.
    pub(crate) fn write(&self, label: &Label, code: &[u8]) {
        let sealed = artifact::seal(&self.settings.key, label, code);
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
    use crate::digest::Digest;

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
        cache.write(&label(b"a"), b"code");
        assert_eq!(cache.read(&label(b"a"), 100).as_deref(), Some(&b"code"[..]));
        assert_eq!(cache.read(&label(b"b"), 100), None);

        let other_key = Cache::open(CacheSettings {
            key: [8; 32],
            ..settings
        })
        .unwrap();
        assert_eq!(other_key.read(&label(b"a"), 100), None);
        assert!(!cache.path(&label(b"a")).exists());

        cache.write(&label(b"a"), b"code");
        fs::copy(cache.path(&label(b"a")), cache.path(&label(b"b"))).unwrap();
        assert_eq!(cache.read(&label(b"b"), 100), None, "another rule's code");

        let mut bytes = fs::read(cache.path(&label(b"a"))).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(cache.path(&label(b"a")), bytes).unwrap();
        assert_eq!(cache.read(&label(b"a"), 100), None, "edited code");

        cache.write(&label(b"a"), &[0; 101]);
        assert_eq!(cache.read(&label(b"a"), 100), None, "too large");
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
            cache.write(&label(&[source]), b"code");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
