//! Whether this process leads, and since when (`F08`).

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use tokio::sync::watch;

use crate::clock::SharedClock;

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

    /// How much remains of the lease; nothing while somebody else leads.
    pub(crate) fn remaining(&self) -> Duration {
        let until = self.held().until;
        until.map_or(Duration::ZERO, |until| until.saturating_sub(self.clock.monotonic()))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::controller::fixtures::Seconds;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_term_lasts_no_longer_than_its_lease_even_if_nobody_ends_it() {
        let clock = Arc::new(Seconds::default());
        let leadership = Leadership::none(clock.clone());
        assert_eq!(leadership.term(), None);
        leadership.begin(seconds(15));
        let first = leadership.term();
        assert!(first.is_some());
        clock.set(15);
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
