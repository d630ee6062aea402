//! Opens addresses in the operator's browser, where there is one. Never by a shell: an address is one argument.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// The program that opens an address: `open` of macOS, `xdg-open` where a display is. On a machine that is reached by
/// SSH there is usually none, and `xdg-open` would start a browser in the terminal of the console.
pub(super) fn found() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let program = match (cfg!(target_os = "macos"), set("DISPLAY") || set("WAYLAND_DISPLAY")) {
        (true, _) => "open",
        (false, true) => "xdg-open",
        (false, false) => return None,
    };
    in_path(program, std::env::var_os("PATH").as_deref())
}

fn in_path(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let runs = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path?).filter(|folder| folder.is_absolute()).map(|folder| folder.join(program)).find(runs)
}

/// Opens an address. Only one that begins with `https://` is: nothing else is ever to be opened here.
///
/// # Errors
/// In words, when the program cannot be started or says that it failed.
pub(super) async fn open(program: &Path, url: &str) -> Result<(), String> {
    if !url.starts_with("https://") {
        return Err("it is no https address".to_owned());
    }
    let mut command = Command::new(program);
    // In a group of its own, so that a signal of the terminal does not end the browser.
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let name = program.display();
    match command.status().await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end at a broken expectation")]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn program(folder: &Path, name: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, "#!/bin/sh\nprintf '%s' \"$#:$1\" > \"$0.said\"\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_program_is_taken_only_where_it_can_be_started() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().as_os_str());
        assert_eq!(in_path("xdg-open", path), None);
        program(folder.path(), "xdg-open", 0o644);
        assert_eq!(in_path("xdg-open", path), None);
        let there = program(folder.path(), "xdg-open", 0o755);
        assert_eq!(in_path("xdg-open", path), Some(there));
        assert_eq!((in_path("xdg-open", None), in_path("xdg-open", Some(OsStr::new(".")))), (None, None));
    }

    #[tokio::test]
    async fn an_address_is_one_argument_whatever_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path(), "open", 0o755);
        let hostile = "https://x.example/?a=$(touch pwned)&b=`id`;c d";
        open(&program, hostile).await.unwrap();
        let said = std::fs::read_to_string(program.with_extension("said")).unwrap();
        assert_eq!(said, format!("1:{hostile}"));
        assert!(open(&program, "--help").await.is_err() && open(&program, "file:///etc/passwd").await.is_err());
    }
}
