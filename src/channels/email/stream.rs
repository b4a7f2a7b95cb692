//! A stream as lettre wants it, that lets no server talk for ever.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a server may say without being asked for more. Replies are a few lines; lettre would keep a line
/// without an end in memory for as long as it grows.
const ANSWER_AT_MOST: usize = 128 * 1024;

/// Any stream, cut off when the other side says too much between two words of ours; it counts what was
/// written.
#[derive(Debug)]
pub(in crate::channels) struct Bounded<S> {
    stream: S,
    peer: SocketAddr,
    heard: usize,
    written: Arc<AtomicU64>,
}

impl<S> Bounded<S> {
    pub fn new(stream: S, peer: SocketAddr) -> Self {
        Self {
            stream,
            peer,
            heard: 0,
            written: Arc::default(),
        }
    }

    /// How many bytes the stream took so far; it goes on counting.
    pub fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }
}

impl<S> AsyncTokioStream for Bounded<S>
where
    S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug,
{
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.heard > ANSWER_AT_MOST {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the server talks without end",
            )));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.heard += buf.filled().len().saturating_sub(before);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.heard = 0;
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = &polled {
            self.written.fetch_add(*n as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
