//! Finds the programs that build rules and runs them. What they are asked to do is not known here.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context;

use crate::cli::Refused;

/// The first of these programs that is on the PATH.
pub(super) fn find(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// Runs a command to its end; what it prints goes to standard error, since standard output is the answer's.
pub(super) fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        return Err(Refused(format!("The rule does not build: {program} ended with {status}.")).into());
    }
    Ok(())
}

/// What a short command prints.
pub(super) fn ask(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{} {} failed",
        program.display(),
        arguments.join(" ")
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Packages that a project's list names, installed into a folder of the project.
pub(super) struct Packages {
    list: String,
    /// Holds the list that was installed last, and goes with the folder.
    noted: PathBuf,
}

impl Packages {
    pub(super) fn of(root: &Path, list: &str, folder: &str) -> anyhow::Result<Self> {
        let file = root.join(list);
        let list = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let noted = root.join(folder).join(".canopy");
        Ok(Self { list, noted })
    }

    /// Whether those of the list as it is now were installed to the end.
    pub(super) fn are_installed(&self) -> bool {
        fs::read_to_string(&self.noted).is_ok_and(|noted| noted == self.list)
    }

    /// Notes that they are.
    pub(super) fn note(&self) -> anyhow::Result<()> {
        fs::write(&self.noted, &self.list).with_context(|| format!("cannot write {}", self.noted.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_installed_again_when_their_list_changes() {
        let root = tempfile::tempdir().expect("a directory");
        let write = |list: &str| fs::write(root.path().join("list"), list).expect("writes");
        let packages = || Packages::of(root.path(), "list", "folder").expect("there is a list");
        assert!(Packages::of(root.path(), "list", "folder").is_err());
        write("a==1");
        assert!(!packages().are_installed());
        fs::create_dir(root.path().join("folder")).expect("a folder");
        packages().note().expect("writes");
        assert!(packages().are_installed());
        write("a==2");
        assert!(!packages().are_installed());
    }
}
