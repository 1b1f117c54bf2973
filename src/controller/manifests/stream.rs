//! The watch on manifests: kept in the store, told to the controller where people changed something.

use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt};
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        PredicateConfig, WatchStreamExt, reflector,
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
    writer: reflector::store::Writer<Manifest>,
    caught_up: impl Fn() + Send + 'static,
    objects: Objects,
) -> impl Stream<Item = Result<Manifest, watcher::Error>> + Send + 'static {
    // Rights on objects are cluster-wide (D14), so several namespaces are one watch and a filter.
    let api: Api<Manifest> = match namespaces.as_slice() {
        [namespace] => Api::namespaced(client.clone(), namespace),
        _ => Api::all(client.clone()),
    };
    let mut told = None;
    listen(api)
        .backoff(Pauses::up_to(WATCH_PAUSE))
        .try_filter(move |event| std::future::ready(is_watched(&namespaces, event)))
        .modify(strip)
        // Before anybody is told: the sweeper asks the store who lives.
        .reflect(writer)
        .inspect(move |event| match event {
            Ok(Event::Delete(_)) => {
                told = None;
                objects.ask_for_sweep();
            }
            Ok(Event::InitDone) => {
                told = None;
                caught_up();
                objects.ask_for_sweep();
            }
            Ok(Event::Apply(_)) => told = None,
            Ok(Event::Init | Event::InitApply(_)) => {}
            // Each trouble once.
            Err(error) => {
                let error = telemetry::chain(error);
                if told.as_ref() != Some(&error) {
                    tracing::warn!(error, "objects cannot be watched; trying again");
                }
                told = Some(error);
            }
        })
        .applied_objects()
        // The controller would pause for an error that it sees, and with it all that others ask for (D15).
        .filter(|object| std::future::ready(object.is_ok()))
        .predicate_filter(|object: &Manifest| Some(object.asked), PredicateConfig::default())
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
