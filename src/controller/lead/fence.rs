//! The fence before the bank: a change begins only while so much of the lease remains that it ends before
//! anybody else can lead (`F08`, `S15`).

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{election::FENCE, term::Leadership};
use crate::bunq::{Fault, Method, Request, Response, Stage, Transport, TransportError};

/// The transport behind the fence: asked right before the send, after every wait.
pub(crate) struct Fenced {
    leadership: Arc<Leadership>,
    transport: Arc<dyn Transport>,
}

impl Fenced {
    pub(crate) fn new(leadership: Arc<Leadership>, transport: Arc<dyn Transport>) -> Arc<Self> {
        Arc::new(Self { leadership, transport })
    }
}

impl Transport for Fenced {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        if is_change(request.method) && self.leadership.remaining() < FENCE {
            let detail = "this process may not lead for long enough to change anything".to_owned();
            let withheld = TransportError { stage: Stage::NotSent, fault: Fault::Withheld, detail };
            return Box::pin(std::future::ready(Err(withheld)));
        }
        self.transport.send(request)
    }
}

fn is_change(method: Method) -> bool {
    match method {
        Method::Get => false,
        Method::Post | Method::Put | Method::Delete => true,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use futures::FutureExt;
    use reqwest::header::HeaderMap;
    use zeroize::Zeroizing;

    use super::*;
    use crate::controller::fixtures::Seconds;

    /// Counts what comes through.
    #[derive(Default)]
    struct Counting(AtomicU64);

    impl Transport for Counting {
        fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let response = Response { status: 200, headers: HeaderMap::new(), body: Zeroizing::default() };
            Box::pin(std::future::ready(Ok(response)))
        }
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn request(method: Method) -> Request {
        let url = "https://bank.example/v1/".to_owned();
        Request { method, url, headers: HeaderMap::new(), body: None, deadline: seconds(8) }
    }

    #[test]
    fn changes_pass_the_fence_while_ten_seconds_remain_and_reads_always() {
        let clock = Arc::new(Seconds::default());
        let leadership = Leadership::none(clock.clone());
        let sent = Arc::new(Counting::default());
        let fenced = Fenced::new(leadership.clone(), sent.clone());
        let passes = |method| {
            let before = sent.0.load(Ordering::Relaxed);
            let answer = fenced.send(request(method)).now_or_never().unwrap();
            let is_sent = sent.0.load(Ordering::Relaxed) > before;
            assert_eq!(answer.is_ok(), is_sent);
            is_sent
        };
        assert!(!passes(Method::Post), "before the election");
        leadership.begin(seconds(15));
        assert!([Method::Post, Method::Put, Method::Delete].into_iter().all(passes));
        clock.set(5);
        assert!(passes(Method::Post), "ten seconds remain");
        clock.set(6);
        assert!(![Method::Post, Method::Put, Method::Delete].into_iter().any(passes), "nine seconds remain");
        assert!(passes(Method::Get));
        leadership.extend(seconds(21));
        assert!(passes(Method::Post), "renewed");
        leadership.end();
        assert!(!passes(Method::Post), "ended");
        leadership.extend(seconds(99));
        assert!(!passes(Method::Post), "a renewal that comes late begins nothing");
    }
}
