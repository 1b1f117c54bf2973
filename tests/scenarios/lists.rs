//! How the watches begin: streamed where the API server can, read in pages where it cannot (D15).

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bunq_oauth_operator::bunq::{HttpOptions, HttpTransport, LimitMode};
use hyper::Request;
use kube::{Client, client::Body};
use libtest_mimic::Trial;
use serde_json::json;
use testbed::harness::{
    Outcome, TestClock, World, ensure, ensure_eq,
    meddle::{is_stream, refusal_of_streams},
    world::Seams,
};

use crate::stage::{Stage, scenarios};

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "lists":
        a_server_that_streams_lists_is_asked_for_no_page,
        a_server_that_streams_no_lists_is_read_in_pages_and_watched,
    )
}

/// What the operator asked of the API server before it listened.
#[derive(Default)]
struct Asked {
    streams: AtomicUsize,
    pages: AtomicUsize,
}

/// The API server, as it answers where the feature gate is off or on.
async fn seams(world: &World, streams: bool, asked: Arc<Asked>) -> Outcome<Seams> {
    let server = world.operator_client().await?;
    let own = format!("/namespaces/{}/", world.operator_namespace);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (server, asked) = (server.clone(), Arc::clone(&asked));
        // What the operator keeps for itself is not watched, and always read in pages.
        let is_watched = !request.uri().path().contains(&own);
        async move {
            let query = request.uri().query().unwrap_or_default();
            if is_watched && query.contains("limit=50") {
                asked.pages.fetch_add(1, Ordering::Relaxed);
            }
            if is_stream(&request) {
                asked.streams.fetch_add(1, Ordering::Relaxed);
                if !streams {
                    return refusal_of_streams();
                }
            }
            server.send(request).await.map_err(io::Error::other)
        }
    });
    let client = Client::new(service, world.operator_namespace.clone());
    let transport = Arc::new(HttpTransport::new(HttpOptions { ca_pem: None })?);
    Ok(Seams { client, transport, clock: TestClock::new() })
}

/// A manifest becomes Ready, and its Secret is watched.
async fn a_client_is_looked_after(world: &World) -> Outcome {
    world.user().await?;
    world.apply_ready(&world.manifest("my-app", &json!({}))).await?;
    let before = world.secret("my-app").await?;
    world.delete_secret("my-app").await?;
    let patience = std::time::Duration::from_secs(30);
    world.secret_until("my-app", patience, |data| *data == before).await.map(drop)
}

async fn a_server_that_streams_lists_is_asked_for_no_page(world: Arc<World>) -> Outcome {
    let asked = Arc::new(Asked::default());
    let operator = world.start_in_process_on(seams(&world, true, Arc::clone(&asked)).await?, LimitMode::Off)?;

    a_client_is_looked_after(&world).await?;

    ensure_eq(asked.streams.load(Ordering::Relaxed), 2, "watches: of manifests, and of one namespace's Secrets")?;
    ensure_eq(asked.pages.load(Ordering::Relaxed), 0, "pages")?;
    operator.stop().await
}

async fn a_server_that_streams_no_lists_is_read_in_pages_and_watched(world: Arc<World>) -> Outcome {
    let asked = Arc::new(Asked::default());
    let operator = world.start_in_process_on(seams(&world, false, Arc::clone(&asked)).await?, LimitMode::Off)?;

    a_client_is_looked_after(&world).await?;

    ensure_eq(asked.streams.load(Ordering::Relaxed), 2, "streams that were asked for and refused")?;
    let pages = asked.pages.load(Ordering::Relaxed);
    ensure(pages >= 2, || format!("{pages} pages; two watches begin with one each"))?;
    operator.stop().await
}
