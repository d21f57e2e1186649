//! Writing files so that a reader never sees half of one.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use uuid::Uuid;

use super::CaError;

const MODE_PUBLIC: u32 = 0o644;
const MODE_PRIVATE: u32 = 0o600;
const MODE_PRIVATE_DIRECTORY: u32 = 0o700;

/// One file to write.
pub(super) struct NewFile<'a> {
    pub(super) name: &'a str,
    pub(super) contents: &'a str,
    /// Whether only the owner may read it.
    pub(super) private: bool,
}

/// Writes the files into the directory, which is made if it is missing.
///
/// Each file is complete under a temporary name before the first one is renamed into place, so a failing disk
/// changes nothing and the renames follow each other within microseconds. A reader that comes in between sees
/// files of two generations; it validates them as a unit, refuses them, and looks again. Plain files are
/// preferred to the swap of a symbolic link, which is atomic for all files, because they can be copied and
/// mounted one by one: `kubectl create secret --from-file=DIRECTORY` passes links over in silence.
pub(super) fn write_all(directory: &Path, files: &[NewFile<'_>]) -> Result<(), CaError> {
    create_directory(directory)?;
    let mut staged = Vec::with_capacity(files.len());
    for file in files {
        let temporary = directory.join(format!(".{}.{}", file.name, Uuid::now_v7()));
        let written = write_new(&temporary, file);
        staged.push(temporary.clone());
        if let Err(source) = written {
            remove_all(&staged);
            return Err(CaError::Io { path: temporary, source });
        }
    }
    for (temporary, file) in staged.iter().zip(files) {
        let path = directory.join(file.name);
        if let Err(source) = fs::rename(temporary, &path) {
            remove_all(&staged);
            return Err(CaError::Io { path, source });
        }
    }
    sync_directory(directory)
}

/// Renames a file within the directory, over whatever has the new name.
pub(super) fn rename(directory: &Path, from: &str, to: &str) -> Result<(), CaError> {
    fs::rename(directory.join(from), directory.join(to)).map_err(at(&directory.join(from)))?;
    sync_directory(directory)
}

/// Reads a file as text.
pub(super) fn read(path: &Path) -> Result<String, CaError> {
    fs::read_to_string(path).map_err(at(path))
}

/// Reads a file as text; `None` when there is no such file.
pub(super) fn read_optional(path: &Path) -> Result<Option<String>, CaError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

fn create_directory(directory: &Path) -> Result<(), CaError> {
    fs::DirBuilder::new().recursive(true).mode(MODE_PRIVATE_DIRECTORY).create(directory).map_err(at(directory))
}

fn write_new(path: &Path, file: &NewFile<'_>) -> io::Result<()> {
    let mode = if file.private { MODE_PRIVATE } else { MODE_PUBLIC };
    let mut handle = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    handle.write_all(file.contents.as_bytes())?;
    handle.sync_all()
}

fn sync_directory(directory: &Path) -> Result<(), CaError> {
    File::open(directory).and_then(|handle| handle.sync_all()).map_err(at(directory))
}

fn remove_all(paths: &[PathBuf]) {
    for path in paths {
        // The error that led here is the one to report; a file that stays has a hidden, unique name.
        let _may_be_renamed_already = fs::remove_file(path);
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> CaError {
    let path = path.to_path_buf();
    move |source| CaError::Io { path, source }
}
