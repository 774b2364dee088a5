//! Saves a file so that other programs read either the old text or the new text, and never a part
//! of it.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::Builder;

/// The permissions of a new file, before the umask, as other programs set them.
const NEW_FILE: u32 = 0o666;

/// Writes `text` to `path`, and creates its folders. If `path` is a symbolic link, writes the file
/// that it points to. An existing file keeps its permissions.
///
/// # Errors
/// The file or a folder cannot be written, or `path` is a link to a file that does not exist.
pub(crate) fn save(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    if path.is_symlink() && !path.exists() {
        return Err(format!(
            "{}: it is a symbolic link to a file that does not exist: create that file or remove the link",
            path.display()
        ));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    // An empty path means the working directory, which exists.
    if !folder.as_os_str().is_empty() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let (path, permissions) = match fs::canonicalize(path) {
        Ok(path) => {
            let permissions = fs::metadata(&path).map_err(failed)?.permissions();
            (path, Some(permissions))
        }
        Err(_) => (path.to_owned(), None),
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = Builder::new()
        .prefix(".mcp-gateway-")
        .permissions(Permissions::from_mode(NEW_FILE))
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    if let Some(permissions) = permissions {
        file.as_file()
            .set_permissions(permissions)
            .map_err(failed)?;
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn folders_are_made_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/mcp.json");
        save(&file, "one").unwrap();
        save(&file, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mcp.json");
        fs::write(&file, "one").unwrap();
        for mode in [0o600, 0o640] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            save(&file, "two").unwrap();
            let kept = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(kept & 0o777, mode);
        }
    }

    #[test]
    fn a_link_stays_one_and_its_file_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (
            folder.path().join("real.json"),
            folder.path().join("link.json"),
        );
        symlink("real.json", &link).unwrap();
        let error = save(&link, "one").unwrap_err();
        assert!(error.contains("does not exist"), "{error}");
        assert!(!file.exists());
        fs::write(&file, "one").unwrap();
        save(&link, "two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
    }
}
