//! What has to be there before anything is watched: the API server, and the definition (`F44`, C37).

use std::time::Duration;

use kube::{Api, Client, api::ListParams};

use super::call::status_code;
use crate::{api::BunqOAuthClient, clock, telemetry};

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);
/// For one of them.
const DEADLINE: Duration = Duration::from_secs(5);

/// Asks one plain question again and again until it is answered. Each trouble is told once.
pub(crate) async fn until_served(namespaces: &[String], client: &Client) {
    let mut told = None;
    loop {
        let trouble = match tokio::time::timeout(DEADLINE, ask(namespaces, client)).await {
            Ok(Ok(())) => break,
            Ok(Err(error)) => trouble(&error),
            Err(_) => format!("the API server does not answer within {} s", DEADLINE.as_secs()),
        };
        if told.as_ref() != Some(&trouble) {
            tracing::warn!("waiting: {trouble}");
            told = Some(trouble);
        }
        clock::pause(EVERY).await;
    }
    tracing::info!("the API server knows BunqOAuthClients");
}

async fn ask(namespaces: &[String], client: &Client) -> Result<(), kube::Error> {
    let api: Api<BunqOAuthClient> = match namespaces {
        [namespace] => Api::namespaced(client.clone(), namespace),
        _ => Api::all(client.clone()),
    };
    api.list_metadata(&ListParams::default().limit(1)).await.map(drop)
}

fn trouble(error: &kube::Error) -> String {
    match status_code(error) {
        Some(404) => {
            "the definition of BunqOAuthClients is not installed; kubectl apply -k deploy/ installs it".to_owned()
        }
        Some(401) => "the API server does not accept this process's token".to_owned(),
        Some(403) => "this process may not list BunqOAuthClients; kubectl apply -k deploy/ grants it".to_owned(),
        _ => format!("the API server cannot be reached: {}", telemetry::chain(error)),
    }
}
