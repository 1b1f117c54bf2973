//! Whether this process leads, and the fence before the bank: a change begins only while so much of the
//! lease remains that it ends before anybody else can lead (`F08`, `S15`).

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt, future::BoxFuture, stream};
use tokio::sync::watch;

use super::election::FENCE;
use crate::{
    bunq::{Fault, Method, Request, Response, Stage, Transport, TransportError},
    clock::SharedClock,
};

/// One time of leading, from an election to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term(u64);

/// Shared by everybody who may only work while this process leads.
pub(crate) struct Leadership {
    clock: SharedClock,
    held: Mutex<Held>,
    news: watch::Sender<Option<Term>>,
}

#[derive(Clone, Copy, Default)]
struct Held {
    terms: u64,
    began: Duration,
    /// While it leads: when the lease ends unless it is renewed.
    until: Option<Duration>,
}

impl Leadership {
    /// Somebody else leads.
    pub(crate) fn none(clock: SharedClock) -> Arc<Self> {
        Arc::new(Self { clock, held: Mutex::default(), news: watch::Sender::new(None) })
    }

    /// Alone in the cluster: it leads for ever.
    pub(crate) fn always(clock: SharedClock) -> Arc<Self> {
        let leadership = Self::none(clock);
        leadership.begin(Duration::MAX);
        leadership
    }

    /// It was elected; the lease ends then unless it is renewed.
    pub(crate) fn begin(&self, until: Duration) {
        let mut held = self.held();
        held.terms += 1;
        held.began = self.clock.monotonic();
        held.until = Some(until);
        self.news.send_replace(Some(Term(held.terms)));
    }

    /// The lease was renewed, and ends then.
    pub(crate) fn extend(&self, until: Duration) {
        let mut held = self.held();
        held.until = held.until.map(|_| until);
    }

    /// It leads no more: passes under way are dropped, and nothing is sent to the bank.
    pub(crate) fn end(&self) {
        self.held().until = None;
        self.news.send_replace(None);
    }

    /// The present term, while the lease lasts.
    pub(crate) fn term(&self) -> Option<Term> {
        let held = *self.held();
        held.until.filter(|until| self.clock.monotonic() < *until).map(|_| Term(held.terms))
    }

    /// How long the present term has lasted, or how long ago the last one began.
    pub(crate) fn leads_since(&self) -> Duration {
        let began = self.held().began;
        self.clock.monotonic().saturating_sub(began)
    }

    /// Resolves when this term is over.
    pub(crate) async fn ended(&self, term: Term) {
        // The sender lives in `self`.
        let _ = self.news.subscribe().wait_for(|present| *present != Some(term)).await;
    }

    /// Resolves when this process leads.
    pub(crate) async fn begun(&self) -> Term {
        let mut news = self.news.subscribe();
        loop {
            let present = *news.borrow_and_update();
            if let Some(term) = present {
                return term;
            }
            if news.changed().await.is_err() {
                // The sender lives in `self`.
                std::future::pending::<()>().await;
            }
        }
    }

    /// One item per election, the first included.
    pub(crate) fn elections(&self) -> impl Stream<Item = ()> + Send + 'static {
        let news = self.news.subscribe();
        let changes = stream::unfold((news, true), |(mut news, is_first)| async move {
            if !is_first {
                news.changed().await.ok()?;
            }
            let present = *news.borrow_and_update();
            Some((present, (news, false)))
        });
        changes.filter_map(|present| std::future::ready(present.map(drop)))
    }

    /// Whether a change at the bank may begin now.
    pub(crate) fn may_change_the_bank(&self) -> bool {
        let until = self.held().until;
        until.is_some_and(|until| until.saturating_sub(self.clock.monotonic()) >= FENCE)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        if is_change(request.method) && !self.leadership.may_change_the_bank() {
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
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures::FutureExt;
    use jiff::Timestamp;
    use reqwest::header::HeaderMap;
    use zeroize::Zeroizing;

    use super::*;
    use crate::clock::Clock;

    /// A clock that is set by hand.
    #[derive(Default)]
    struct Seconds(AtomicU64);

    impl Clock for Seconds {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }

        fn jumps(&self) -> watch::Receiver<u64> {
            watch::Sender::new(0).subscribe()
        }
    }

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
        clock.0.store(5, Ordering::Relaxed);
        assert!(passes(Method::Post), "ten seconds remain");
        clock.0.store(6, Ordering::Relaxed);
        assert!(![Method::Post, Method::Put, Method::Delete].into_iter().any(passes), "nine seconds remain");
        assert!(passes(Method::Get));
        leadership.extend(seconds(21));
        assert!(passes(Method::Post), "renewed");
        leadership.end();
        assert!(!passes(Method::Post), "ended");
        leadership.extend(seconds(99));
        assert!(!passes(Method::Post), "a renewal that comes late begins nothing");
    }

    #[test]
    fn a_term_lasts_no_longer_than_its_lease_even_if_nobody_ends_it() {
        let clock = Arc::new(Seconds::default());
        let leadership = Leadership::none(clock.clone());
        assert_eq!(leadership.term(), None);
        leadership.begin(seconds(15));
        let first = leadership.term();
        assert!(first.is_some());
        clock.0.store(15, Ordering::Relaxed);
        assert_eq!(leadership.term(), None);
        leadership.begin(seconds(30));
        assert!(leadership.term().is_some() && leadership.term() != first);
    }

    #[test]
    fn the_end_of_a_term_and_every_election_are_told() {
        let leadership = Leadership::always(Arc::new(Seconds::default()));
        let mut elections = Box::pin(leadership.elections());
        assert!(elections.next().now_or_never().is_some(), "the one before it was asked");
        let term = leadership.term().unwrap();
        assert!(leadership.ended(term).now_or_never().is_none());

        leadership.end();
        assert!(leadership.ended(term).now_or_never().is_some());
        assert!(elections.next().now_or_never().is_none());
        assert!(leadership.begun().now_or_never().is_none());

        leadership.begin(Duration::MAX);
        assert!(elections.next().now_or_never().is_some());
        assert!(leadership.begun().now_or_never().is_some());
    }
}
