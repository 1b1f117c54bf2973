//! The watch on manifests: kept in the store, told to the controller where people changed something.

use std::{future, time::Duration};

use futures::{Stream, StreamExt, TryStreamExt};
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        reflector::store::Writer,
        watcher::{self, Event},
    },
};

use super::{manifest::Manifest, objects::Objects};
use crate::{
    controller::api_server::{Pauses, listen},
    telemetry,
};

/// Between two attempts to watch, at most: everything waits for this watch.
const WATCH_PAUSE: Duration = Duration::from_secs(2);

/// The objects of all watched namespaces: kept in the store, told to the sweeper when they go.
pub(crate) fn watched(
    namespaces: Vec<String>,
    client: &Client,
    writer: Writer<Manifest>,
    caught_up: impl Fn() + Send + 'static,
    objects: Objects,
) -> impl Stream<Item = Result<Manifest, watcher::Error>> + Send + 'static {
    // Rights on objects are cluster-wide (D14), so several namespaces are one watch and a filter.
    let api: Api<Manifest> = match namespaces.as_slice() {
        [namespace] => Api::namespaced(client.clone(), namespace),
        _ => Api::all(client.clone()),
    };
    let mut reader = Reader { writer, caught_up, objects, told: None };
    listen(api)
        .backoff(Pauses::up_to(WATCH_PAUSE))
        .try_filter(move |event| future::ready(is_watched(&namespaces, event)))
        .modify(strip)
        // The controller would pause for an error that it sees, and with it all that others ask for (D15).
        .filter_map(move |event| future::ready(reader.hear(event).map(Ok)))
}

/// Keeps what the watch says.
struct Reader<F> {
    writer: Writer<Manifest>,
    caught_up: F,
    objects: Objects,
    /// The last trouble, while it lasts.
    told: Option<String>,
}

impl<F: Fn()> Reader<F> {
    /// The object, where a person changed something in it.
    fn hear(&mut self, event: Result<Event<Manifest>, watcher::Error>) -> Option<Manifest> {
        let event = event.map_err(|error| self.tell(&error)).ok()?;
        let is_news = matches!(&event, Event::Apply(it) | Event::InitApply(it) if !self.objects.knows(it));
        // Before anybody is told: the sweeper asks the store who lives.
        self.writer.apply_watcher_event(&event);
        match event {
            Event::Init => None,
            Event::InitApply(object) => is_news.then_some(object),
            Event::Apply(object) => {
                self.told = None;
                is_news.then_some(object)
            }
            Event::Delete(_) => {
                self.told = None;
                self.objects.ask_for_sweep();
                None
            }
            Event::InitDone => {
                self.told = None;
                (self.caught_up)();
                self.objects.ask_for_sweep();
                None
            }
        }
    }

    /// Each trouble once.
    fn tell(&mut self, error: &watcher::Error) {
        let error = telemetry::chain(error);
        if self.told.as_ref() != Some(&error) {
            tracing::warn!(error, "objects cannot be watched; trying again");
        }
        self.told = Some(error);
    }
}

/// The version of an object is asked for once: by the first who looks at it.
fn strip(object: &mut Manifest) {
    if !object.is_new() {
        object.metadata.resource_version = None;
    }
}

fn is_watched(namespaces: &[String], event: &Event<Manifest>) -> bool {
    match event {
        Event::Apply(object) | Event::Delete(object) | Event::InitApply(object) => {
            namespaces.is_empty() || object.namespace().is_some_and(|namespace| namespaces.contains(&namespace))
        }
        Event::Init | Event::InitDone => true,
    }
}
