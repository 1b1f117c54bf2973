//! Every change at the bank, and every way in which its answer can be lost: it ends as if nothing
//! had happened (F01, F02, S1, protocol §2).

mod handshake;
mod judge;
mod matrix;
mod ways;

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use serde_json::json;
use testbed::{
    harness::{Outcome, World},
    sandbox::behaviour::{CallbackRoutes, CreateBody, SecondClient, UrlShape},
};

use crate::stage::{Stage, scenarios};
use judge::Expected;
use matrix::{Matrix, Round, sent_again};

const CREATE: (&str, &str) = ("POST", "user/{u}/oauth-client");
const PUT: (&str, &str) = ("PUT", "user/{u}/oauth-client/{c}");
const POST_URL: (&str, &str) = ("POST", "user/{u}/oauth-client/{c}/callback-url");
const PUT_URL: (&str, &str) = ("PUT", "user/{u}/oauth-client/{c}/callback-url/{m}");
const DELETE_URL: (&str, &str) = ("DELETE", "user/{u}/oauth-client/{c}/callback-url/{m}");

/// The URL of the smallest manifest, those that it is changed to, and somebody else's.
const FIRST: &str = "https://myapp.com/oauth/callback";
const SECOND: &str = "https://myapp.com/second";
const THIRD: &str = "https://myapp.com/third";
const FOREIGN: &str = "https://elsewhere.example/callback";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials = handshake::trials(stage);
    trials.extend(scenarios!(stage, "ambiguity":
        whatever_happens_to_the_answer_of_a_creation_there_is_one_client,
        where_new_clients_are_listed_late_there_is_one_client_all_the_same,
        whatever_happens_to_the_answer_of_a_change_of_status_it_is_made_once,
        whatever_happens_to_the_answer_of_a_change_of_urls_each_is_registered_once,
        whatever_happens_to_the_answer_of_a_put_of_the_url_it_is_stored_once,
    ));
    trials
}

/// F01, F02: every body of a creation, at the bank that knows it.
async fn whatever_happens_to_the_answer_of_a_creation_there_is_one_client(world: Arc<World>) -> Outcome {
    let mut matrix = Matrix::open(world).await?;
    create_everywhere(&mut matrix, "array", 0, CreateBody::Stores).await?;
    create_everywhere(&mut matrix, "object", 1, CreateBody::RefusesArray).await?;
    create_everywhere(&mut matrix, "status-only", 1, CreateBody::Superfluous).await?;
    matrix.close("creation").await
}

/// F02, S1: for forty seconds no list shows what was created.
async fn where_new_clients_are_listed_late_there_is_one_client_all_the_same(world: Arc<World>) -> Outcome {
    let mut matrix = Matrix::open(world).await?;
    matrix.world.sandbox.behave(|bank| bank.list_lag = Some(Duration::from_secs(40)));
    create_everywhere(&mut matrix, "lagging", 0, CreateBody::Stores).await?;
    matrix.close("creation with a lagging list").await
}

/// New users whose first manifest meets the faults.
async fn create_everywhere(matrix: &mut Matrix, prefix: &str, after: usize, body: CreateBody) -> Outcome {
    matrix.world.sandbox.behave(|bank| {
        bank.create_body = body;
        // The bank itself prevents nothing.
        bank.second_client = SecondClient::CreatesSecond;
    });
    matrix.replace_cells(prefix).await?;
    let expected = Expected::new("Synced", &[FIRST]);
    matrix.play(&Round { what: prefix, hit: CREATE, after, spec: json!({}), cost: sent_again, expected }).await
}

/// Everybody Ready, and a URL of somebody else at every client.
async fn ready_with_a_foreign_url(world: Arc<World>) -> Outcome<Matrix> {
    let matrix = Matrix::open(world).await?;
    matrix.apply(&json!({}), "Synced").await?;
    matrix.by_hand(|bank, client| {
        bank.add_url_by_hand(client, FOREIGN);
    });
    Ok(matrix)
}

/// F02: PUT status, to CANCELLED and back.
async fn whatever_happens_to_the_answer_of_a_change_of_status_it_is_made_once(world: Arc<World>) -> Outcome {
    let mut matrix = ready_with_a_foreign_url(world).await?;
    for (what, status, reason) in [("cancel", "CANCELLED", "Cancelled"), ("activate", "ACTIVE", "Synced")] {
        let expected = Expected::new(reason, &[FOREIGN, FIRST]);
        let round = Round { what, hit: PUT, after: 0, spec: json!({"status": status}), cost: sent_again, expected };
        matrix.play(&round).await?;
    }
    matrix.close("change of status").await
}

/// F02: POST, DELETE and PUT of an entry; somebody else's stays.
async fn whatever_happens_to_the_answer_of_a_change_of_urls_each_is_registered_once(world: Arc<World>) -> Outcome {
    let mut matrix = ready_with_a_foreign_url(world).await?;
    let rounds = [
        ("add a URL", POST_URL, SECOND, &[FOREIGN, SECOND]),
        ("remove a URL", DELETE_URL, THIRD, &[FOREIGN, THIRD]),
        ("replace a URL", PUT_URL, FIRST, &[FOREIGN, FIRST]),
    ];
    for (what, hit, url, urls) in rounds {
        // Only there is no room for one more.
        matrix.world.sandbox.behave(|bank| bank.max_callback_urls = (hit == PUT_URL).then_some(2));
        let expected = Expected::new("Synced", urls);
        matrix
            .play(&Round { what, hit, after: 0, spec: json!({"redirectUrl": url}), cost: sent_again, expected })
            .await?;
    }
    matrix.close("change of redirect URLs").await
}

/// F02: PUT `redirect_url`, where there is room for one.
async fn whatever_happens_to_the_answer_of_a_put_of_the_url_it_is_stored_once(world: Arc<World>) -> Outcome {
    world.sandbox.behave(|bank| {
        bank.url_shape = UrlShape::Scalar;
        bank.callback_routes = CallbackRoutes::Off;
    });
    let mut matrix = Matrix::open(world).await?;
    matrix.apply(&json!({}), "Synced").await?;
    let expected = Expected::new("Synced", &[SECOND]);
    let spec = json!({"redirectUrl": SECOND});
    matrix.play(&Round { what: "put the URL", hit: PUT, after: 0, spec, cost: sent_again, expected }).await?;
    matrix.close("put of the redirect URL").await
}
