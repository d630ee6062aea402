//! Makes a tar archive of a few small files, for building an image.

/// Bytes of a block.
const BLOCK: usize = 512;

/// An archive (POSIX ustar) of files, given as name and content, that all may read and execute. A name that ends in
/// a slash is an empty folder, in which all may write, and delete what is theirs.
pub(in crate::local) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let size: usize = files.iter().map(|(_, content)| BLOCK + content.len().next_multiple_of(BLOCK)).sum();
    let mut archive = Vec::with_capacity(size + 2 * BLOCK);
    for (name, content) in files {
        archive.extend_from_slice(&header(name, content.len()));
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// The header of a file. Its time is zero, so that the same files make the same archive.
fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name.get(..name.len().min(100)).unwrap_or_default());
    let folder = name.ends_with('/');
    put(100, if folder { "0001777" } else { "0000755" });
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, "00000000000");
    put(148, "        ");
    put(156, if folder { "5" } else { "0" });
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_folder_is_open_to_all() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let file = place.path().join("a.tar");
        assert!(std::fs::write(&file, archive(&[("folders/0/tmp/", b"")])).is_ok());
        let unpacked = std::process::Command::new("tar").arg("-xpf").arg(&file).arg("-C").arg(place.path()).status();
        assert!(unpacked.is_ok_and(|status| status.success()));
        let mode = std::fs::metadata(place.path().join("folders/0/tmp")).map(|data| data.permissions().mode() & 0o7777);
        assert_eq!(mode.ok(), Some(0o1777));
    }

    #[test]
    fn the_program_tar_reads_the_archive() {
        let archive = archive(&[("Containerfile", b"FROM scratch\n"), ("server", &[7; 1000])]);
        assert_eq!(archive.len(), BLOCK + BLOCK + BLOCK + 2 * BLOCK + 2 * BLOCK);
        let place = tempfile::tempdir().unwrap_or_else(|error| unreachable!("{error}"));
        let file = place.path().join("a.tar");
        assert!(std::fs::write(&file, archive).is_ok());
        let unpacked = std::process::Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(place.path()).status();
        assert!(unpacked.is_ok_and(|status| status.success()));
        assert_eq!(std::fs::read(place.path().join("server")).ok(), Some(vec![7; 1000]));
    }
}
