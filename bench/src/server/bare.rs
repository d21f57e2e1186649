//! The servers that the mesh is compared with: tonic as it comes.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{future, io};

use focusflow_proto::v1::task_service_server::TaskServiceServer;
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use crate::payload::ConstantTask;
use crate::server::{STORAGE, credentials};

/// Serves over plain HTTP/2.
pub(super) async fn serve_plain(listener: TcpListener) -> anyhow::Result<()> {
    serve(connections(listener).map_ok(Accepted)).await
}

/// Serves over rustls, with the mesh's certificates and rustls configuration: what differs from the mesh is all but
/// the cryptography.
pub(super) async fn serve_tls(listener: TcpListener, certificates: &Path) -> anyhow::Result<()> {
    let acceptor = TlsAcceptor::from(Arc::clone(&credentials(certificates, STORAGE)?.server_config()));
    let handshake = move |tcp| {
        let acceptor = acceptor.clone();
        Box::pin(async move { Ok(Accepted(acceptor.accept(tcp).await?)) })
    };
    serve(connections(listener).and_then(handshake)).await
}

async fn serve<T>(incoming: impl Stream<Item = io::Result<Accepted<T>>>) -> anyhow::Result<()>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = TaskServiceServer::new(ConstantTask::new());
    // A failed handshake is the end of its connection, not of the server.
    let incoming = incoming.filter(|connection| future::ready(connection.is_ok()));
    Ok(Server::builder().add_service(service).serve_with_incoming(incoming).await?)
}

fn connections(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    TcpListenerStream::new(listener).map_ok(|tcp| {
        // As the mesh does. Without it latency is at the mercy of Nagle's algorithm.
        let _ = tcp.set_nodelay(true);
        tcp
    })
}

/// A stream as tonic wants it.
struct Accepted<T>(T);

impl<T> Connected for Accepted<T> {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl<T: AsyncRead + Unpin> AsyncRead for Accepted<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Accepted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
