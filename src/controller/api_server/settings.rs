//! How many requests a server lets share an HTTP/2 connection. hyper's client queues those beyond without a word, and
//! tells nobody the number: it is read from the first frame of a connection that carries nothing else.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a client begins with: the preface, and settings that change nothing (RFC 9113, 3.4).
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The largest frame before anything else was agreed on.
const LARGEST_FRAME: usize = 16 * 1024;
/// The type of the frame that a server begins with, and the setting that counts (RFC 9113, 6.5).
const SETTINGS: u8 = 4;
const MAX_CONCURRENT_STREAMS: u16 = 3;

/// Greets the server behind a fresh connection, and reads how many requests may share one; without its word as many
/// as one likes.
pub(super) async fn most_streams(mut connection: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<usize> {
    connection.write_all(GREETING).await?;
    connection.flush().await?;
    let mut head = [0; 9];
    connection.read_exact(&mut head).await?;
    let [high, middle, low, kind, ..] = head;
    let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    if kind != SETTINGS || length > LARGEST_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the server does not begin with its settings"));
    }
    let mut settings = vec![0; length];
    connection.read_exact(&mut settings).await?;
    let most = settings.chunks_exact(6).rev().find_map(|setting| {
        let (id, value) = setting.split_first_chunk()?;
        let value = value.first_chunk().copied().map(u32::from_be_bytes)?;
        (u16::from_be_bytes(*id) == MAX_CONCURRENT_STREAMS).then_some(value)
    });
    Ok(most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::{Response, server::conn::http2, service::service_fn};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    use super::*;

    /// What a server of hyper's says that lets so many requests share a connection.
    async fn told(most: Option<u32>) -> usize {
        let (near, far) = tokio::io::duplex(1024);
        let answer = service_fn(|_| async { Ok::<_, Infallible>(Response::new(String::new())) });
        let mut server = http2::Builder::new(TokioExecutor::new());
        server.max_concurrent_streams(most);
        let server = tokio::spawn(server.serve_connection(TokioIo::new(far), answer));
        let told = most_streams(near).await.unwrap();
        server.abort();
        told
    }

    #[tokio::test]
    async fn a_server_tells_how_many_requests_may_share_a_connection() {
        assert_eq!(told(Some(5)).await, 5);
        assert_eq!(told(Some(250)).await, 250);
        assert_eq!(told(None).await, usize::MAX);
    }

    #[tokio::test]
    async fn whoever_begins_otherwise_is_not_understood() {
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
        let told = most_streams(near).await;
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
