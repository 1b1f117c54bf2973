//! How a watch begins: with a stream of what there is, object by object; where a server refuses that, with a list
//! in small pages (D15). A list holds a whole page in memory, and one object of it may be large.

use std::{fmt::Debug, future};

use futures::{Stream, StreamExt, stream};
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event},
};
use serde::de::DeserializeOwned;

use super::watching;

const PAGE: u32 = 50;

/// Watches `api`, whatever the server can do.
pub(super) fn listen<K>(api: Api<K>) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let streamed = watcher::watcher(api.clone(), watching::config().streaming_lists());
    // Boxed: hardly a watch needs it, and each would keep room for it.
    let paged = stream::once(async move {
        tracing::info!("the API server streams no lists; they are read in pages");
        watcher::watcher(api, watching::config().page_size(PAGE)).boxed()
    });
    streamed.take_while(|event| future::ready(!event.as_ref().is_err_and(is_refusal))).chain(paged.flatten())
}

/// A server without the feature gate calls the question invalid.
fn is_refusal(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 422)
}
