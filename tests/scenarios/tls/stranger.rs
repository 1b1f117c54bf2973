//! A listener that does not speak TLS as the bank does, and remembers what it was told.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use testbed::harness::{Outcome, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// What it answers to whatever it is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manners {
    /// A web page, without TLS.
    PlainHttp,
    /// The greeting of a server that knows TLS 1.1 and nothing newer.
    Tls11,
}

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

/// A record of the handshake that holds a `ServerHello`: version 3.2 is TLS 1.1, and the suite is one of its own.
const HELLO_OF_TLS_1_1: [u8; 47] = {
    let mut record = [0; 47];
    let head = [22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    let mut at = 0;
    while at < head.len() {
        record[at] = head[at];
        at += 1;
    }
    // 32 random bytes, which are zero here; no session id; TLS_RSA_WITH_AES_128_CBC_SHA; no compression.
    record[45] = 0x2f;
    record
};

/// A listener on this machine; it ends when dropped.
pub(super) struct Stranger {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    task: AbortHandle,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stranger {
    pub(super) async fn listen(manners: Manners) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let all = Arc::clone(&heard);
        let serve = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let place = {
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(Vec::new());
                    all.len() - 1
                };
                tokio::spawn(talk(stream, manners, Arc::clone(&all), place));
            }
        };
        let task = tokio::spawn(serve).abort_handle();
        Ok(Self { address, heard, task })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// As if it were the bank.
    pub(super) fn base_url(&self) -> String {
        format!("https://{}/v1/", self.address)
    }

    pub(super) fn connections(&self) -> usize {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Fails unless each caller said one `ClientHello` for TLS 1.2 and 1.3, and then at most an alert.
    pub(super) fn ensure_only_hellos(&self, secret: &str) -> Outcome {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        ensure(!heard.is_empty(), || "nobody called".to_owned())?;
        for said in &*heard {
            let is_told = said.windows(secret.len()).any(|window| window == secret.as_bytes());
            ensure(!is_told, || "the key was sent".to_owned())?;
            let kinds = records(said)?;
            ensure(matches!(kinds.as_slice(), [22] | [22, 21]), || format!("records of kinds {kinds:?} were sent"))?;
            // The extension supported_versions: 43, its length, the list's length, 1.3 and 1.2.
            let versions = [0, 43, 0, 5, 4, 3, 4, 3, 3];
            let is_modern = said.windows(versions.len()).any(|window| window == versions);
            ensure(is_modern, || format!("the hello offers other versions: {said:02x?}"))?;
        }
        Ok(())
    }
}

/// The kinds of the TLS records: 22 is a handshake, 21 an alert, 23 would be data.
fn records(mut said: &[u8]) -> Outcome<Vec<u8>> {
    let mut kinds = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = said {
        kinds.push(*kind);
        said = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..).ok_or("half a record was sent")?;
    }
    Ok(kinds)
}

async fn talk(mut stream: TcpStream, manners: Manners, heard: Arc<Mutex<Vec<Vec<u8>>>>, place: usize) {
    let mut buffer = [0; 4096];
    let mut is_greeted = false;
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        if let Some(said) = heard.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
            said.extend_from_slice(&buffer[..count]);
        }
        if !std::mem::replace(&mut is_greeted, true) {
            let greeting = match manners {
                Manners::PlainHttp => PAGE,
                Manners::Tls11 => &HELLO_OF_TLS_1_1,
            };
            // Whoever hangs up has heard enough.
            let _ = stream.write_all(greeting).await;
        }
    }
}
