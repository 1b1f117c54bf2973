//! Every right of the operator is taken away while it runs, one at a time: verb and resource are told, nothing
//! is done that cannot be written down, and its return heals within seconds (F38, L3).

mod admission;
mod contexts;
mod watches;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::harness::{
    Outcome, World,
    audit_trail::AuditTrail,
    ensure, ensure_eq,
    rights::{Place, Right, Rights},
    world::{Member, condition, ready_reason},
};

use crate::stage::{Stage, report};

const LONGEST: Duration = Duration::from_mins(8);
const TOLD_WITHIN: Duration = Duration::from_secs(30);
/// "Heals within ten seconds", and what a busy machine needs to do it.
const HEALED_WITHIN: Duration = Duration::from_secs(10);
const BUSY: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const CLIENTS: &str = "user/{u}/oauth-client";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials = admission::trials(stage);
    trials.extend(contexts::trials(stage));
    trials.extend(watches::trials(stage));
    for (name, rights) in [
        ("each_right_in_its_own_namespace_that_is_taken_away_is_told_and_heals", AT_HOME),
        ("each_right_in_a_tenants_namespace_that_is_taken_away_is_told_and_heals", AT_TENANTS),
        ("each_right_in_the_whole_cluster_that_is_taken_away_is_told_and_heals", EVERYWHERE),
    ] {
        let play = move |world| each_right_that_is_taken_away_is_told_and_heals(world, rights);
        trials.push(stage.scenario_within("rights", name, LONGEST, play));
    }
    trials
}

/// What needs the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// A manifest of a new user.
    Newcomer,
    /// A manifest that is there before its key: nothing is known of it, and nothing is taken for granted.
    Latecomer,
    /// A look at one that is Ready.
    Look,
    /// Another redirect URL.
    Move,
    /// Another name of the published Secret.
    Rename,
    /// A finalizer.
    Finalizer,
    /// A manifest that went.
    Farewell,
    /// A process that begins.
    Restart,
    /// Something that happens again.
    Repetition,
}

type Row = (Right, Need, &'static str);

const fn row(place: Place, verb: &'static str, resource: &'static str, need: Need, told: &'static str) -> Row {
    (Right { place, verb, resource }, need, told)
}

/// Told by the log; everything else is a reason of Ready.
const LOG: &str = "";

const AT_HOME: &[Row] = &[
    row(Place::Home, "get", "configmaps", Need::Look, "Forbidden"),
    row(Place::Home, "list", "configmaps", Need::Latecomer, "Forbidden"),
    row(Place::Home, "create", "configmaps", Need::Newcomer, "Forbidden"),
    row(Place::Home, "update", "configmaps", Need::Move, "Forbidden"),
    row(Place::Home, "delete", "configmaps", Need::Farewell, LOG),
    row(Place::Home, "get", "secrets", Need::Latecomer, "Forbidden"),
    row(Place::Home, "list", "secrets", Need::Farewell, LOG),
    row(Place::Home, "create", "secrets", Need::Newcomer, "Forbidden"),
    row(Place::Home, "update", "secrets", Need::Newcomer, "Forbidden"),
];

/// Nothing is listed where the server streams what there is; `lists` plays one that does not.
const AT_TENANTS: &[Row] = &[
    row(Place::Tenant, "get", "secrets", Need::Look, "NamespaceNotGranted"),
    row(Place::Tenant, "watch", "secrets", Need::Restart, LOG),
    row(Place::Tenant, "create", "secrets", Need::Newcomer, "Forbidden"),
    row(Place::Tenant, "patch", "secrets", Need::Move, "Forbidden"),
    row(Place::Tenant, "delete", "secrets", Need::Rename, "Forbidden"),
];

const EVERYWHERE: &[Row] = &[
    row(Place::Everywhere, "get", "bunqoauthclients", Need::Look, LOG),
    row(Place::Everywhere, "list", "bunqoauthclients", Need::Restart, LOG),
    row(Place::Everywhere, "watch", "bunqoauthclients", Need::Restart, LOG),
    row(Place::Everywhere, "patch", "bunqoauthclients", Need::Finalizer, "Forbidden"),
    row(Place::Everywhere, "update", "bunqoauthclients/status", Need::Move, LOG),
    row(Place::Everywhere, "create", "events", Need::Newcomer, LOG),
    row(Place::Everywhere, "patch", "events", Need::Repetition, LOG),
];

/// F38: for each right a user of its own.
async fn each_right_that_is_taken_away_is_told_and_heals(world: Arc<World>, rows: &'static [Row]) -> Outcome {
    let rights = world.own_roles().await?;
    world.start_operator().await?;
    let mut slowest = Duration::ZERO;
    for (number, row) in rows.iter().enumerate() {
        let case = Case { world: &world, rights: &rights, right: row.0, need: row.1, told: row.2 };
        let healed = case.play(number).await.map_err(|error| format!("{row:?}: {error}"))?;
        ensure(healed < HEALED_WITHIN + BUSY, || format!("{row:?} healed after {healed:?}"))?;
        slowest = slowest.max(healed);
    }
    rights.put_back().await?;
    report(&format!("{} rights taken away and given back, the slowest return healed in {slowest:?}", rows.len()));
    Ok(())
}

/// One right of one user.
struct Case<'a> {
    world: &'a World,
    rights: &'a Rights,
    right: Right,
    need: Need,
    told: &'static str,
}

impl Case<'_> {
    /// Tells how long the return of the right took to heal.
    async fn play(&self, number: usize) -> Outcome<Duration> {
        let world = self.world;
        let mut member = None;
        match self.need {
            Need::Newcomer => {}
            Need::Latecomer => member = Some(self.join_without_key(number).await?),
            _ => {
                let joined = world.join(number).await?;
                world.ready(&joined.name).await?;
                member = Some(joined);
            }
        }
        let mutations = world.sandbox.mutations().len();
        if self.need == Need::Restart {
            world.kill_operator().await?;
        }
        if self.need == Need::Repetition {
            self.lose_and_find_key(member.as_ref().ok_or("nobody joined")?).await?;
        }
        let begins = self.logged().len();
        self.rights.take(self.right).await?;
        if self.need == Need::Restart {
            // It is not ready without the right, so nobody waits for that here.
            return self.restart(begins, &member.ok_or("nobody joined")?).await;
        }
        let member = match member {
            Some(member) => member,
            None => world.join(number).await?,
        };
        self.provoke(&member).await?;
        self.is_told(&member, begins).await?;
        // Whatever is not written down is not sent; events are not written down anywhere.
        if self.right.resource == "configmaps" {
            ensure_eq(world.sandbox.mutations().len(), mutations, "changes at the bank meanwhile")?;
        }
        let (since, trail) = (Instant::now(), world.audit_trail()?);
        self.rights.give_back(self.right).await?;
        self.heals(&member, &trail).await?;
        let healed = since.elapsed();
        if self.need != Need::Farewell {
            world.ensure_one_client_with_its_pair_in(&member, &self.published(&member)).await?;
        }
        let of_user = world.sandbox.with(|bank| bank.clients_of(member.user.id).len());
        ensure_eq(of_user, 1, "clients of the user")?;
        // Each newcomer shakes hands once, whatever could not be written down for a while.
        ensure_eq(world.sandbox.count("POST", "installation"), number + 1, "installations")?;
        ensure_eq(world.sandbox.count("POST", CLIENTS), number + 1, "creations")?;
        Ok(healed)
    }

    fn published<'m>(&self, member: &'m Member) -> std::borrow::Cow<'m, str> {
        match self.need {
            Need::Rename => format!("renamed-{}", member.name).into(),
            _ => member.name.as_str().into(),
        }
    }

    async fn provoke(&self, member: &Member) -> Outcome {
        let world = self.world;
        let spec = match self.need {
            Need::Newcomer | Need::Restart => return Ok(()),
            Need::Latecomer => return world.put_key(&member.secret, &member.user.api_key).await,
            Need::Look => return world.annotate(&member.name, "reconcile.fluxcd.io/requestedAt", "1").await,
            Need::Farewell => return world.delete(&member.name).await,
            Need::Repetition => return self.lose_and_find_key(member).await,
            Need::Move => json!({"redirectUrl": "https://moved.example/callback"}),
            Need::Rename => json!({"secret": {"name": self.published(member)}}),
            Need::Finalizer => json!({"deletionPolicy": "Cancel"}),
        };
        world.apply(&world.manifest_of(member, &spec)).await.map(drop)
    }

    async fn join_without_key(&self, number: usize) -> Outcome<Member> {
        let (name, secret) = (format!("app-{number}"), format!("key-{number}"));
        let member = Member { name, secret, user: self.world.sandbox.new_user() };
        let manifest = self.world.manifest_of(&member, &json!({}));
        self.world.apply_reason(&manifest, "CredentialsSecretNotFound").await?;
        Ok(member)
    }

    /// Two changes of Ready's reason, each with an Event.
    async fn lose_and_find_key(&self, member: &Member) -> Outcome {
        self.world.delete_secret(&member.secret).await?;
        self.world.reason(&member.name, "CredentialsSecretNotFound").await?;
        self.world.put_key(&member.secret, &member.user.api_key).await?;
        self.world.reason(&member.name, "Synced").await.map(drop)
    }

    fn logged(&self) -> String {
        std::fs::read_to_string(self.world.folder().join("operator.log")).unwrap_or_default()
    }

    /// Verb and resource, in the status or in the log.
    async fn is_told(&self, member: &Member, begins: usize) -> Outcome {
        if self.told != LOG {
            let object = self.world.reason(&member.name, self.told).await?;
            let message = condition(&object, "Ready")["message"].as_str().unwrap_or_default().to_owned();
            let is_named = self.is_named_in(&message);
            return ensure(is_named || self.told == "NamespaceNotGranted", || format!("the message says {message}"));
        }
        let since = Instant::now();
        loop {
            let log = self.logged();
            let mut lines = log.get(begins..).unwrap_or_default().lines();
            if lines.any(|line| self.is_named_in(line)) {
                return Ok(());
            }
            ensure(since.elapsed() < TOLD_WITHIN, || format!("the log does not name {:?}", self.right))?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// In the API server's words, or in those of a process that waits to begin.
    fn is_named_in(&self, text: &str) -> bool {
        let Right { verb, resource, .. } = self.right;
        let is_refused = text.contains(&format!("cannot {verb} resource")) && text.contains(resource);
        is_refused || text.contains(&format!("may not {verb} BunqOAuthClients"))
    }

    async fn restart(&self, begins: usize, member: &Member) -> Outcome<Duration> {
        let told = async {
            self.is_told(member, begins).await?;
            let since = Instant::now();
            self.rights.give_back(self.right).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(since)
        };
        let (started, since) = tokio::join!(self.world.start_operator(), told);
        started?;
        let since = since?;
        // Both kinds of watches must work again: a new URL is seen, and so is a Secret that goes.
        let moved = "https://moved.example/callback";
        self.world.apply(&self.world.manifest_of(member, &json!({"redirectUrl": moved}))).await?;
        self.is_published(member, moved).await?;
        let healed = since.elapsed();
        self.world.delete_secret(&member.name).await?;
        self.is_published(member, moved).await?;
        Ok(healed)
    }

    async fn is_published(&self, member: &Member, url: &str) -> Outcome {
        let fits =
            |data: &std::collections::BTreeMap<String, String>| data.get("redirect_uri").is_some_and(|it| it == url);
        self.world.secret_until(&member.name, HEALED_WITHIN + BUSY, fits).await.map(drop)
    }

    async fn heals(&self, member: &Member, trail: &AuditTrail) -> Outcome {
        let is_synced = |object: &Value| {
            ready_reason(object) == "Synced"
                && object["status"]["observedGeneration"] == object["metadata"]["generation"]
        };
        match self.need {
            Need::Farewell => self.is_swept(member, trail).await,
            Need::Look => {
                let is_handled =
                    |object: &Value| is_synced(object) && object["status"]["lastHandledReconcileAt"] == "1";
                self.world.until(&member.name, "looked at", is_handled).await.map(drop)
            }
            _ => self.world.until(&member.name, "Synced", is_synced).await.map(drop),
        }
    }

    /// The claim of a manifest that went is freed, and the contexts are listed.
    async fn is_swept(&self, member: &Member, trail: &AuditTrail) -> Outcome {
        let claim = format!("bunq-user-sandbox-{}", member.user.id);
        let since = Instant::now();
        loop {
            let claims = self.world.claims().await?;
            let is_freed = !claims.iter().any(|it| it.metadata.name.as_deref() == Some(claim.as_str()));
            let is_listed =
                trail.granted(&self.world.operator_user(), "list", "secrets", &self.world.operator_namespace)?;
            if is_freed && (is_listed || self.right.resource != "secrets") {
                return Ok(());
            }
            ensure(since.elapsed() < TOLD_WITHIN, || "nothing was swept".to_owned())?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
