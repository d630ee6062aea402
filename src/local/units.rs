//! The image of a server that knows nothing of gangway: a script on the Python of this machine.
//!
//! It stands beside the servers that are built on gangway, to show how any other runs here. The image has that
//! Python, the part of its standard library that the script imports, and nothing else: no package is fetched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use super::command::{OutputLine, run};
use super::error::{LocalError, at};
use super::portable::Portable;

/// What its image is called.
pub(super) const UNITS: &str = "mcp-units";
/// The server.
const SCRIPT: &str = include_str!("../../servers/units/units.py");
/// Where it is in its image.
const PLACE: &str = "/units.py";
/// Where Python is in its image.
const FOLDER: &str = "/python";
/// Neither variables nor packages of the machine count: the same here, where it is asked, and in the image.
const OPTIONS: [&str; 5] = ["-I", "-S", "-B", "-X", "utf8"];
/// Imports what the script imports, and says which files of which Python that took.
const QUESTION: &str = "\
import json, os, sys
modules = {getattr(module, '__file__', None) for module in list(sys.modules.values())}
print(json.dumps({
    'program': os.path.realpath(getattr(sys, '_base_executable', None) or sys.executable),
    'prefix': sys.base_prefix,
    'modules': sorted(file for file in modules if file),
    'extensions': os.path.join(os.path.dirname(os.__file__), 'lib-dynload'),
}))";
const LIMIT: Duration = Duration::from_secs(30);

/// What a Python says of itself.
#[derive(Debug, Deserialize)]
struct Python {
    /// Its program, without links.
    program: PathBuf,
    /// What all else lies below.
    prefix: PathBuf,
    /// The files of the modules.
    modules: Vec<PathBuf>,
    /// The folder by which it knows where modules in C are, whether there are any or not.
    extensions: PathBuf,
}

/// What the image is made of, with this Python.
///
/// # Errors
/// When the Python does not run, or a file of it cannot be read.
pub(super) async fn program(python: &Path) -> Result<Portable, LocalError> {
    let found = ask(python).await?;
    let mut made = Portable::of(&found.program, FOLDER, "bin/python3").await?;
    for module in &found.modules {
        // As elsewhere below its prefix, so that Python finds itself there (PEP 405 and `getpath`).
        let Ok(below) = module.strip_prefix(&found.prefix) else { continue };
        made.put(&format!("{FOLDER}/{}", below.display()), tokio::fs::read(module).await.map_err(at(module))?);
        if module.extension().is_some_and(|extension| extension == "so") {
            made.needs(module).await?;
        }
    }
    if let Ok(below) = found.extensions.strip_prefix(&found.prefix) {
        made.put(&format!("{FOLDER}/{}/.here", below.display()), "");
    }
    made.put(PLACE, SCRIPT);
    made.command.extend(OPTIONS.map(str::to_owned));
    made.command.push(PLACE.to_owned());
    Ok(made)
}

async fn ask(python: &Path) -> Result<Python, LocalError> {
    let what = format!("asking {} for its modules", python.display());
    let mut command = Command::new(python);
    command.args(OPTIONS).args(["-c", QUESTION]);
    let mut said = String::new();
    run(&what, command, LIMIT, &mut |line| {
        if let OutputLine::Out(line) = line {
            line.clone_into(&mut said);
        }
    })
    .await?;
    serde_json::from_str(&said).map_err(|error| LocalError::Command {
        what,
        status: error.to_string(),
        way_out: None,
        tail: vec![said],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::Stdio;

    /// Python as it is in the image starts and converts, without a file of the machine's but those it was given.
    #[tokio::test]
    async fn the_server_is_whole_with_what_its_image_has() {
        let Some(python) = super::super::command::find("python3").filter(|_| cfg!(target_os = "linux")) else { return };
        let made = program(&python).await.unwrap_or_else(|error| unreachable!("{error}"));
        assert!(made.command.iter().any(|word| word == "/python/bin/python3"), "{:?}", made.command);
        let size: usize = made.files.values().map(Vec::len).sum();
        assert!(size < 64 * 1024 * 1024 && made.files.len() < 200, "{size} bytes in {} files", made.files.len());
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        for (path, content) in &made.files {
            let path = place.path().join(path);
            assert!(path.parent().is_some_and(|above| std::fs::create_dir_all(above).is_ok()));
            assert!(std::fs::write(&path, content).is_ok());
            let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
            assert!(std::fs::set_permissions(&path, open).is_ok());
        }
        let here = |word: &String| match word.strip_prefix('/') {
            Some(path) => place.path().join(path).display().to_string(),
            None => word.clone(),
        };
        let command: Vec<String> = made.command.iter().map(here).collect();
        let Some((first, rest)) = command.split_first() else { unreachable!("a command") };
        let started = std::process::Command::new(first)
            .args(rest)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut started) = started else { unreachable!("{command:?}") };
        let call = |name: &str, arguments: &str| {
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\
                 \"params\":{{\"name\":\"{name}\",\"arguments\":{arguments}}}}}\n"
            )
        };
        let asked = [
            call("convert_units", r#"{"value":1,"from":"mile","to":"metre"}"#),
            call("convert_units", r#"{"value":1,"from":"mile","to":"é"}"#),
            call("list_units", r#"{"kind":"time"}"#),
            call("no_such", "{}"),
        ];
        // Dropped, it is closed, and the server ends.
        assert!(started.stdin.take().is_some_and(|mut input| input.write_all(asked.concat().as_bytes()).is_ok()));
        let Ok(ended) = started.wait_with_output() else { unreachable!("it ends") };
        let (said, errors) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!((lines.len(), errors.trim()), (4, "units: ready"), "{said}");
        assert!(lines[0].contains("1609.34 metre") && lines[1].contains("\"isError\": true"), "{said}");
        assert!(lines[2].contains("minute") && lines[3].contains("-32602"), "{said}");
    }
}
