//! The real transport against a plain TCP listener: what leaves, and how failures are told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::header::HeaderMap;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use zeroize::Zeroizing;

use crate::bunq::{
    Fault, HttpOptions, HttpTransport, MAX_BODY, Method, Request, Response, Stage, Transport, TransportError,
};

fn request(method: Method, url: String) -> Request {
    Request {
        method,
        url,
        headers: HeaderMap::new(),
        body: (method == Method::Post).then(|| Zeroizing::new(b"{\"a\": \"\\/\"}".to_vec())),
        deadline: Duration::from_secs(5),
    }
}

/// Answers every connection with these bytes after the first bytes of a request; counts them.
async fn serve(answer: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/x", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut start = [0; 4096];
                let _ = stream.read(&mut start).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (url, count)
}

async fn send(request: Request) -> Result<Response, TransportError> {
    let transport = HttpTransport::new(HttpOptions::default()).unwrap();
    transport.send(request).await
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn an_answer_arrives_byte_by_byte() {
    let (url, _) = serve(with_length(b"{\"x\":\"\\/\"}")).await;
    let response = send(request(Method::Get, url)).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(&**response.body, b"{\"x\":\"\\/\"}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (target, reached) = serve(with_length(b"")).await;
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
    let (url, _) = serve(head.into_bytes()).await;
    let response = send(request(Method::Post, url)).await.unwrap();
    assert_eq!(response.status, 302);
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/x", listener.local_addr().unwrap());
    drop(listener);
    let error = send(request(Method::Post, url)).await.unwrap_err();
    assert_eq!((error.stage, error.fault), (Stage::NotSent, Fault::Connect));
    assert!(!error.detail.contains("/v1/x"), "{}", error.detail);
}

#[tokio::test]
async fn a_peer_without_tls_sent_nothing_and_is_told_as_such() {
    let (url, _) = serve(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    let url = url.replace("http://", "https://");
    let error = send(request(Method::Post, url)).await.unwrap_err();
    assert_eq!((error.stage, error.fault), (Stage::NotSent, Fault::Tls));
}

#[tokio::test]
async fn a_lost_answer_may_have_been_sent_and_is_not_repeated() {
    let (url, count) = serve(Vec::new()).await;
    let error = send(request(Method::Post, url)).await.unwrap_err();
    assert_eq!((error.stage, error.fault), (Stage::MaybeSent, Fault::Interrupted));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_cut_answer_may_have_been_sent() {
    let (url, _) = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf".to_vec()).await;
    let error = send(request(Method::Post, url)).await.unwrap_err();
    assert_eq!((error.stage, error.fault), (Stage::MaybeSent, Fault::Interrupted));
}

#[tokio::test]
async fn the_deadline_covers_the_body() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/x", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut start = [0; 4096];
        let _ = stream.read(&mut start).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
        stream.write_all(head).await.unwrap();
        // One byte at a time, for as long as somebody listens (`F22`).
        while stream.write_all(b"x").await.is_ok() {
            crate::clock::pause(Duration::from_millis(5)).await;
        }
    });
    let mut request = request(Method::Get, url);
    request.deadline = Duration::from_millis(100);
    let error = send(request).await.unwrap_err();
    assert_eq!((error.stage, error.fault), (Stage::MaybeSent, Fault::Timeout));
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_dropped_and_one_at_the_limit_is_kept() {
    let (url, _) = serve(with_length(&vec![b'x'; MAX_BODY])).await;
    let response = send(request(Method::Get, url)).await.unwrap();
    assert_eq!(response.body.len(), MAX_BODY);
    let (url, _) = serve(with_length(&vec![b'x'; MAX_BODY + 1])).await;
    let error = send(request(Method::Get, url)).await.unwrap_err();
    assert_eq!((error.stage, error.fault), (Stage::MaybeSent, Fault::TooLarge));
}

#[test]
fn a_ca_bundle_without_certificates_is_refused() {
    for pem in [&b""[..], b"nonsense", include_bytes!("known_public.pem")] {
        let options = HttpOptions { ca_pem: Some(pem.to_vec()) };
        assert!(HttpTransport::new(options).is_err());
    }
}
