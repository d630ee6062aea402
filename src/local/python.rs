//! The Python virtual environment with the emulator. It is made once; later runs use it again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::command::{OutputLine, find, run};
use super::dirs::Dirs;
use super::error::{LocalError, at};
use super::{LocalProgress, ProgressFn};

/// Pinned packages. The first is the emulator.
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Version of the emulator, as pinned in the requirements.
pub const MINISTACK_VERSION: &str = "1.5.33";
/// Environment variable that names an installed `ministack` to use instead of installing one.
pub const MINISTACK_VARIABLE: &str = "QUARTERDECK_MINISTACK";

const VENV: Duration = Duration::from_secs(120);
const PIP: Duration = Duration::from_secs(600);
const WAY_OUT: &str =
    "install Python 3.10 or newer with its venv module (Debian and Ubuntu: apt-get install python3 python3-venv)";

/// The path of a Python that has ministack, which is installed if necessary. `given` is an installed
/// `ministack`.
pub(super) async fn ensure(
    dirs: &Dirs,
    given: Option<&Path>,
    progress: &mut ProgressFn<'_>,
) -> Result<PathBuf, LocalError> {
    if let Some(ministack) = given {
        let python = ministack.with_file_name("python3");
        tokio::fs::metadata(&python).await.map_err(at(&python))?;
        return Ok(python);
    }
    let venv = dirs.data.join(format!("ministack-{MINISTACK_VERSION}"));
    let (python, stamp) = (venv.join("bin/python3"), venv.join("quarterdeck-requirements.txt"));
    if tokio::fs::read_to_string(&stamp).await.is_ok_and(|text| text == REQUIREMENTS) && python.exists() {
        return Ok(python);
    }
    let system = find("python3").ok_or(LocalError::Missing { program: "python3", way_out: WAY_OUT.to_owned() })?;
    let mut make = Command::new(system);
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    run("making a virtual environment for Python", make, VENV, &mut |_| {}).await.map_err(venv_advice)?;
    install(&venv, &python, progress).await?;
    // Written last, so that an environment that was not completed is made again.
    tokio::fs::write(&stamp, REQUIREMENTS).await.map_err(at(&stamp))?;
    Ok(python)
}

async fn install(venv: &Path, python: &Path, progress: &mut ProgressFn<'_>) -> Result<(), LocalError> {
    let list = venv.join("requirements.txt");
    tokio::fs::write(&list, REQUIREMENTS).await.map_err(at(&list))?;
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "-r"]);
    pip.arg(&list);
    let all = REQUIREMENTS.lines().filter(|line| line.contains("==")).count();
    let mut collected = 0;
    run("installing ministack from PyPI", pip, PIP, &mut |line| {
        if let OutputLine::Out(line) = line
            && let Some(package) = line.strip_prefix("Collecting ")
        {
            collected += 1;
            let package = package.split_whitespace().next().unwrap_or(package);
            progress(LocalProgress::Note(format!("{package} ({collected} of {all})")));
        }
    })
    .await
    .map_err(|error| match error {
        LocalError::Command { what, status, tail, .. } => {
            let way_out =
                Some("check that pypi.org, or the index that pip is configured for, can be reached".to_owned());
            LocalError::Command { what, status, way_out, tail }
        }
        other => other,
    })
}

fn venv_advice(error: LocalError) -> LocalError {
    match error {
        LocalError::Command { what, status, tail, .. } => {
            LocalError::Command { what, status, way_out: Some(WAY_OUT.to_owned()), tail }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_pinned() {
        let packages = || REQUIREMENTS.lines().filter(|line| !line.starts_with('#'));
        assert!(packages().all(|line| line.contains("==")));
        assert_eq!(packages().next(), Some(format!("ministack=={MINISTACK_VERSION}").as_str()));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_the_script_installs_is_taken_without_installing_it_again() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let (bin, data) = (place.path().join("bin"), place.path().join("data"));
        let stand_in = "#!/bin/sh\n[ \"$2\" = venv ] && mkdir -p \"$4/bin\" && cp \"$0\" \"$4/bin/python3\"\nexit 0\n";
        assert!(std::fs::create_dir_all(&bin).and_then(|()| std::fs::write(bin.join("python3"), stand_in)).is_ok());
        assert!(std::fs::set_permissions(bin.join("python3"), std::fs::Permissions::from_mode(0o755)).is_ok());
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/emulator");
        let status = std::process::Command::new(script).env("PATH", path).env("XDG_DATA_HOME", &data).status();
        assert!(status.is_ok_and(|status| status.success()));
        let dirs = Dirs { data: data.join("quarterdeck"), state: place.path().to_owned() };
        let mut notes = Vec::new();
        let python = ensure(&dirs, None, &mut |note| notes.push(note)).await;
        let installed = dirs.data.join(format!("ministack-{MINISTACK_VERSION}/bin/python3"));
        assert_eq!((python.ok(), notes), (Some(installed), Vec::new()));
    }
}
