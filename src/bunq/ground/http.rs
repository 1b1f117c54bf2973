//! The real transport: HTTPS without redirects, without retries, with a deadline and a limit.

use std::{error::Error as StdError, time::Duration};

use futures::{StreamExt, future::BoxFuture};
use reqwest::{Certificate, Client, redirect, retry, tls};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    bank_text,
    call::Method,
    transport::{Fault, MAX_BODY, Request, Response, Stage, Transport, TransportError},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(15);

/// What can be set about the connection.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// More certificate authorities, besides the system's, as a PEM bundle.
    pub ca_pem: Option<Vec<u8>>,
}

/// Why there is no transport.
#[derive(Debug, Error)]
pub enum HttpTransportError {
    /// The bundle holds no certificate, or something else.
    #[error("read the CA bundle: it holds no PEM certificate")]
    ReadCaBundle,
    /// TLS cannot be set up.
    #[error("set up the HTTP client")]
    Build(#[source] reqwest::Error),
}

/// Speaks HTTP/1.1 over TLS 1.2 or newer; the standard proxy variables are honoured (`D17`).
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: Client,
}

impl HttpTransport {
    /// Reads the system's certificates once.
    pub fn new(options: HttpOptions) -> Result<Self, HttpTransportError> {
        // reqwest takes the process's provider; a second installation is refused and harmless.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .min_tls_version(tls::Version::TLS_1_2)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(4)
            .tcp_nodelay(true);
        if let Some(pem) = options.ca_pem {
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| HttpTransportError::ReadCaBundle)?;
            if certificates.is_empty() {
                return Err(HttpTransportError::ReadCaBundle);
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(HttpTransportError::Build)?;
        Ok(Self { client })
    }

    async fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut builder = self.client.request(method, &request.url).headers(request.headers).timeout(request.deadline);
        if let Some(body) = request.body {
            builder = builder.body(body.to_vec());
        }
        let response = builder.send().await.map_err(before_answer)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = read(response).await?;
        Ok(Response { status, headers, body })
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(self.exchange(request))
    }
}

/// Piece by piece, so that a huge answer is dropped and not stored.
async fn read(response: reqwest::Response) -> Result<Zeroizing<Vec<u8>>, TransportError> {
    // Room for the whole answer, so that growing leaves no copies of it behind.
    let length = response.content_length().unwrap_or(16 * 1024);
    let room = usize::try_from(length).map_or(MAX_BODY, |length| length.min(MAX_BODY));
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| TransportError {
            stage: Stage::MaybeSent,
            fault: if error.is_timeout() { Fault::Timeout } else { Fault::Interrupted },
            detail: chain(&error.without_url()),
        })?;
        if body.len() + piece.len() > MAX_BODY {
            return Err(TransportError {
                stage: Stage::MaybeSent,
                fault: Fault::TooLarge,
                detail: format!("the answer is larger than {MAX_BODY} bytes"),
            });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Only a failed connection is certain not to have carried the request.
fn before_answer(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    let (stage, fault) = if error.is_builder() {
        (Stage::NotSent, Fault::Invalid)
    } else if error.is_connect() {
        let fault = if error.is_dns() {
            Fault::Dns
        } else if error.is_timeout() {
            Fault::Timeout
        } else if has_tls_cause(&error) {
            Fault::Tls
        } else {
            Fault::Connect
        };
        (Stage::NotSent, fault)
    } else if error.is_timeout() {
        (Stage::MaybeSent, Fault::Timeout)
    } else {
        (Stage::MaybeSent, Fault::Interrupted)
    };
    TransportError { stage, fault, detail: chain(&error) }
}

fn has_tls_cause(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An io::Error hides what it wraps from `source`.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if wrapped.is_some_and(|inner| has_tls_cause(inner)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// All causes in one line, each once.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    bank_text::sanitise(&text, &[])
}
