//! Posts spans to the collector with the HTTP client that the operator has anyway.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::{Client, redirect, retry, tls};
use tokio::runtime::Handle;

use crate::telemetry::chain::chain;

/// For one request, its connection included.
const DEADLINE: Duration = Duration::from_secs(10);
/// A collector that is away is told of once, and again after so many batches.
const TOLD_EVERY: u64 = 100;

/// Sends on the runtime; the exporter's thread has none.
pub(super) struct Post {
    client: Client,
    runtime: Handle,
    /// Batches that were lost in a row.
    lost: AtomicU64,
}

impl Post {
    /// Like the bank's client: TLS 1.2 or newer, no redirects.
    pub(super) fn new(runtime: Handle) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .min_tls_version(tls::Version::TLS_1_2)
            .timeout(DEADLINE)
            .build()?;
        Ok(Self { client, runtime, lost: AtomicU64::new(0) })
    }

    /// The answer without its body: nothing in it is of use.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request: reqwest::Request = request.map(reqwest::Body::from).try_into()?;
        let client = self.client.clone();
        // The endpoint may hold a password.
        let answer =
            self.runtime.spawn(async move { client.execute(request).await.map_err(reqwest::Error::without_url) });
        let answer = answer.await??;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }

    fn tell(&self, trouble: Option<String>) {
        match trouble {
            None => {
                if self.lost.swap(0, Ordering::Relaxed) > 0 {
                    tracing::info!("spans are exported again");
                }
            }
            Some(error) => {
                let before = self.lost.fetch_add(1, Ordering::Relaxed);
                if before.is_multiple_of(TOLD_EVERY) {
                    tracing::warn!(error, batches = before + 1, "spans could not be exported; nothing else suffers");
                }
            }
        }
    }
}

#[async_trait]
impl HttpClient for Post {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.send(request).await;
        self.tell(match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answered {}", answer.status())),
            Err(error) => Some(chain(error.as_ref())),
        });
        answer
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, response::Redirect, routing::post};
    use tokio::net::TcpListener;

    use super::*;

    /// S10: whoever answers for the collector cannot send the spans elsewhere.
    #[tokio::test]
    async fn a_redirect_of_the_collector_is_not_followed_and_counts_as_lost() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let target = format!("http://{}/v1/traces", elsewhere.local_addr().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let app = Router::new().route("/v1/traces", post(|| async move { Redirect::temporary(&target) }));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let collector = Post::new(Handle::current()).unwrap();

        let answer =
            collector.send_bytes(Request::post(url).body(Bytes::from_static(b"spans")).unwrap()).await.unwrap();

        assert_eq!(answer.status(), 307);
        assert_eq!(collector.lost.load(Ordering::Relaxed), 1);
        assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}
