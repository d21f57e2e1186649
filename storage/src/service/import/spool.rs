//! A file on the disk, for what cannot be read as it arrives. It is the process's own, and goes when it is done with.

use std::io::Write as _;

use focusflow_mesh::refusal;
use tempfile::NamedTempFile;

use super::{End, Pieces};
use crate::service::error::Error;

/// Files are kept on the disk up to this size.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Writes the client's file down. Answers its length too.
pub(super) async fn spool(mut pieces: Pieces) -> Result<(NamedTempFile, u64), End> {
    let mut file = in_background(NamedTempFile::new).await?;
    let mut length = 0_u64;
    while let Some(piece) = pieces.next().await? {
        length += piece.len() as u64;
        if length > BYTES_MAX {
            return Err(Error::field("data", format!("must be at most {BYTES_MAX} bytes in all")).into());
        }
        file = in_background(move || file.write_all(&piece).map(|()| file)).await?;
    }
    if length == 0 {
        return Err(Error::field("data", "is empty").into());
    }
    Ok((file, length))
}

/// Does what waits for the disk where it holds nobody up.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, End> {
    let failed = |error: std::io::Error| End::Refused(refusal::internal("the temporary file", &error));
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(failed),
        Err(error) => Err(failed(std::io::Error::other(error))),
    }
}
