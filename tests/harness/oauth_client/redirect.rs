//! The redirect URL of an application on this machine, and the browser that comes to it.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::Error;

const COMES_WITHIN: Duration = Duration::from_secs(20);
const LONGEST_REQUEST: usize = 16 * 1024;
const SHOWN: usize = 200;
const WELCOME: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 19\r\nConnection: close\r\n\r\nYou are logged in.\n";

/// Listens on a free loopback port, held from now on, so that its URLs can be registered first.
#[derive(Debug)]
pub struct RedirectListener {
    listener: TcpListener,
    port: u16,
}

/// What the bank sent along with the user.
pub(super) struct Arrived {
    pub(super) code: String,
    pub(super) state: String,
}

impl RedirectListener {
    /// Takes a free port of 127.0.0.1.
    pub async fn bind() -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::Listen)?;
        let port = listener.local_addr().map_err(Error::Listen)?.port();
        Ok(Self { listener, port })
    }

    /// A redirect URL that is answered here; `path` begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Waits for one visitor and thanks him.
    pub(super) async fn arrival(&self) -> Result<Arrived, Error> {
        let visit = async {
            let (mut stream, _) = self.listener.accept().await.map_err(Error::Listen)?;
            let target = request_target(&mut stream).await?;
            stream.write_all(WELCOME.as_bytes()).await.map_err(Error::Listen)?;
            read(&target)
        };
        tokio::time::timeout(COMES_WITHIN, visit).await.unwrap_or(Err(Error::NobodyCame(COMES_WITHIN.as_secs())))
    }
}

/// Path and query of an HTTP request.
async fn request_target(stream: &mut TcpStream) -> Result<String, Error> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < LONGEST_REQUEST {
        if stream.read_buf(&mut request).await.map_err(Error::Listen)? == 0 {
            break;
        }
    }
    let text = String::from_utf8_lossy(&request);
    let mut words = text.split(' ');
    match (words.next(), words.next()) {
        (Some("GET"), Some(target)) => Ok(target.to_owned()),
        _ => Err(Error::Arrival("an HTTP GET")),
    }
}

fn read(target: &str) -> Result<Arrived, Error> {
    let (_, query) = target.split_once('?').ok_or(Error::Arrival("a query"))?;
    let value = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    Ok(Arrived {
        code: value("code").ok_or(Error::Arrival("a code"))?,
        state: value("state").ok_or(Error::Arrival("a state"))?,
    })
}

/// A browser: opens a URL and goes where it is sent.
pub(super) async fn browse(url: &str) -> Result<(), Error> {
    let failed = |error: reqwest::Error| Error::Browse(error.without_url());
    let answer = reqwest::Client::new().get(url).send().await.map_err(failed)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let page = answer.bytes().await.map_err(failed)?;
    let text = String::from_utf8_lossy(&page).chars().take(SHOWN).collect();
    Err(Error::Refused { status: status.as_u16(), text })
}
