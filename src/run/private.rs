//! Files and directories that are this user's alone.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Opens a file as the options say. What is in its place, such as a FIFO, is refused by its name and
/// waited for by nobody.
///
/// # Errors
/// When it is no file, or cannot be opened.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Asked first, because the error of opening a socket does not say that it is one.
    if let Ok(found) = fs::metadata(path) {
        regular(&found)?;
    }
    // In case that it is replaced in between, opening it must not wait, either.
    let file = options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

fn regular(found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(io::Error::other(format!("it is {what} and not a file")))
}

/// Makes sure that nobody else can read or write a file or directory. Returns what was done, to tell
/// the operator; `None` if all was well.
///
/// # Errors
/// When it belongs to somebody else, its mode cannot be changed, or it is a link to what others can read: only what is
/// our own is changed.
pub fn keep(path: &Path, found: &Metadata) -> io::Result<Option<String>> {
    let me = rustix::process::geteuid().as_raw();
    if found.uid() != me {
        return Err(io::Error::other(format!("it belongs to user {}, and you are user {me}", found.uid())));
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(None);
    }
    // What a link leads to may be anything, and was not made by us.
    if fs::symlink_metadata(path)?.file_type().is_symlink() {
        let why = format!("it is a link to what is open to other users (mode {mode:04o}); chmod that yourself");
        return Err(io::Error::other(why));
    }
    let private = mode & 0o700;
    fs::set_permissions(path, Permissions::from_mode(private))?;
    let path = path.display();
    Ok(Some(format!("{path} was open to other users (mode {mode:04o}); now it is not (mode {private:04o})")))
}

/// Whether files can be made and deleted in a directory.
///
/// # Errors
/// When they cannot be, the system's reason.
pub fn writable(directory: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}
