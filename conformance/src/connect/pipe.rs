//! How the suite talks: messages after four bytes of length.

use anyhow::Result;
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The next message; `None` when there are no more.
pub(super) async fn read<M: Message + Default>(source: &mut (impl AsyncRead + Unpin)) -> Result<Option<M>> {
    let length = match source.read_u32().await {
        Ok(length) => length,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut message = vec![0; usize::try_from(length)?];
    source.read_exact(&mut message).await?;
    Ok(Some(M::decode(message.as_slice())?))
}

pub(super) async fn write(target: &mut (impl AsyncWrite + Unpin), message: &impl Message) -> Result<()> {
    let message = message.encode_to_vec();
    target.write_u32(u32::try_from(message.len())?).await?;
    target.write_all(&message).await?;
    Ok(target.flush().await?)
}
