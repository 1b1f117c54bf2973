//! How everything is watched: one that fell silent is noticed, and a server that is back is found again
//! within seconds (`M1`).
//!
//! A watch begins with a stream of what there is, object by object; where a server refuses that, with a list in small
//! pages (D15). A list holds a whole page in memory, and one object of it may be large.

use std::{fmt::Debug, future, time::Duration};

use futures::{Stream, StreamExt, stream};
use kube::{
    Api, Resource,
    runtime::{
        utils::Backoff,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;

/// The API server ends a watch after so many seconds, and it goes on from where it was. One that neither says
/// anything nor ends is given up five seconds later.
const LONGEST: u32 = 50;
/// The first pause after a failure.
const FIRST: Duration = Duration::from_millis(250);
/// Where there is no stream.
const PAGE: u32 = 50;

/// Watches `api`, whatever the server can do.
pub(crate) fn listen<K>(api: Api<K>) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let streamed = watcher::watcher(api.clone(), config().streaming_lists());
    // Boxed: hardly a watch needs it, and each would keep room for it.
    let paged = stream::once(async move {
        tracing::info!("the API server streams no lists; they are read in pages");
        watcher::watcher(api, config().page_size(PAGE)).boxed()
    });
    streamed.take_while(|event| future::ready(!event.as_ref().is_err_and(is_refusal))).chain(paged.flatten())
}

/// A server without the feature gate calls the question invalid.
fn is_refusal(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 422)
}

/// What every watch asks for.
fn config() -> watcher::Config {
    watcher::Config::default().timeout(LONGEST)
}

/// Growing pauses that stay short: nobody tells of a server that came back.
pub(crate) struct Pauses {
    next: Duration,
    longest: Duration,
    /// Events since the last failure.
    events: u32,
}

impl Pauses {
    pub(crate) fn up_to(longest: Duration) -> Self {
        Self { next: FIRST, longest, events: 0 }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.events = 0;
        self.next = self.longest.min(pause * 2);
        Some(pause)
    }
}

impl Backoff for Pauses {
    /// Called for every event. A watch says that it begins before it asks for anything, so one event alone is no
    /// success yet.
    fn reset(&mut self) {
        self.events = self.events.saturating_add(1);
        if self.events > 1 {
            self.next = FIRST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_begin_anew_after_a_success() {
        let mut pauses = Pauses::up_to(Duration::from_secs(5));
        let millis: Vec<_> = pauses.by_ref().take(7).map(|pause| pause.as_millis()).collect();
        assert_eq!(millis, [250, 500, 1000, 2000, 4000, 5000, 5000]);
        pauses.reset();
        assert_eq!(pauses.next(), Some(Duration::from_secs(5)), "it has only begun");
        pauses.reset();
        pauses.reset();
        assert_eq!(pauses.next(), Some(FIRST));
    }
}
