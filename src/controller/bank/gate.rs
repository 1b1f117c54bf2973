//! The one way to the bank: whose turn it is, how many calls are under way, and whether it is there at all (D16,
//! protocol §12). A call that may not go yet is told when; nobody waits here for a turn.

use std::{future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{doubt::Doubts, windows::Windows};
use crate::{
    bunq::{self, Asker, Auditor, Bank, Breaker, Call, Class, Environment, LimitMode, Limiter, Priority},
    clock::SharedClock,
    controller::{context::ContextStore, stop::Stop},
    telemetry::metrics::{BankCall, Metrics},
};

/// Calls to the bank at the same time, at most (D16).
const BANK_CALLS: usize = 8;

/// One bank per environment.
pub(crate) struct Banks {
    pub(crate) production: Bank,
    pub(crate) sandbox: Bank,
}

/// A place in the bank's window: taken for one call, and used up by it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Turn {
    environment: Environment,
    call: Call,
    namespace: String,
    user: String,
}

/// Told that the bank of an environment is back.
type OnReturn = Box<dyn Fn(Environment) + Send + Sync>;

/// The one way to the bank.
pub(crate) struct Gate {
    banks: Banks,
    limiter: Limiter,
    breaker: Breaker,
    slots: Semaphore,
    windows: Windows,
    doubts: Doubts,
    contexts: Arc<ContextStore>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    on_return: OnReturn,
}

impl Gate {
    /// `on_return` is called when the bank of an environment is back.
    pub(crate) fn new(
        banks: Banks,
        limits: LimitMode,
        contexts: Arc<ContextStore>,
        clock: SharedClock,
        metrics: Arc<Metrics>,
        on_return: impl Fn(Environment) + Send + Sync + 'static,
    ) -> Self {
        for environment in Environment::ALL {
            metrics.knows_environment(environment.as_str());
        }
        Self {
            banks,
            limiter: Limiter::new(limits),
            breaker: Breaker::default(),
            slots: Semaphore::new(BANK_CALLS),
            windows: Windows::new(limits, clock.monotonic()),
            doubts: Doubts::default(),
            contexts,
            clock,
            metrics,
            on_return: Box::new(on_return),
        }
    }

    pub(crate) fn bank(&self, environment: Environment) -> &Bank {
        match environment {
            Environment::Production => &self.banks.production,
            Environment::Sandbox => &self.banks.sandbox,
        }
    }

    /// The bank of which `auditor` hears whenever something there is changed.
    pub(crate) fn audited_bank(&self, environment: Environment, auditor: &Arc<dyn Auditor>) -> Bank {
        self.bank(environment).audited_by(Arc::clone(auditor))
    }

    /// Takes a place in the bank's window, or says when to come back; never waits for it (D16).
    pub(crate) async fn take_turn(
        &self,
        asker: Asker<'_>,
        environment: Environment,
        call: Call,
        priority: Priority,
    ) -> Result<Turn, Stop> {
        if !self.breaker.closed_in(environment, asker, self.clock.monotonic()).is_zero() {
            return Err(Stop::Outage);
        }
        self.follow_earlier_process().await?;
        let wait = self.limiter.reserve(asker, environment, call, priority, self.clock.monotonic());
        if wait.is_zero() {
            self.metrics.limiter_waited_for(self.limiter.drain_waited());
            // While the bank is away, this makes the call the probe.
            return match self.breaker.admit(environment, asker, self.clock.monotonic()) {
                Duration::ZERO => {
                    let Asker { namespace, user } = asker;
                    Ok(Turn { environment, call, namespace: namespace.to_owned(), user: user.to_owned() })
                }
                _ => Err(Stop::Outage),
            };
        }
        self.metrics.limiter_waited();
        let until = self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        Err(Stop::Limit { until, call: call.to_string() })
    }

    /// Before the first call to the bank, and before this process writes a context of its own: an earlier process may
    /// have used the windows (`S7`).
    pub(crate) async fn follow_earlier_process(&self) -> Result<(), Stop> {
        Ok(self.windows.follow(&self.contexts, &self.limiter, &self.clock).await?)
    }

    /// Another process was at work until now.
    pub(crate) async fn begin_windows(&self) {
        self.doubts.forget_all();
        self.windows.begin(self.clock.monotonic()).await;
    }

    /// One of the few calls that may be under way at the same time.
    pub(crate) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed; if it were, the calls would merely not be counted.
        self.slots.acquire().await.ok()
    }

    /// Makes the call that this turn was taken for, counts its outcome, and tells everybody when the bank throttles
    /// or is back.
    pub(crate) async fn call<T>(
        &self,
        turn: Turn,
        answer: impl Future<Output = Result<T, bunq::Error>>,
    ) -> Result<T, Stop> {
        let Turn { environment, call, namespace, user } = turn;
        let asker = Asker { namespace: &namespace, user: &user };
        let sent = self.clock.monotonic();
        let result = answer.await;
        if result.as_ref().is_err_and(bunq::Error::is_withheld) {
            return Err(Stop::Withheld);
        }
        self.doubts.hear(asker.user, call, result.as_ref().err(), self.clock.monotonic());
        let failure = result.as_ref().err().map(bunq::Error::class);
        self.count(environment, call, failure, self.clock.monotonic().saturating_sub(sent));
        if self.breaker.report(environment, asker, call, failure, self.clock.monotonic()) {
            tracing::info!(environment = environment.as_str(), "the bank is back");
            (self.on_return)(environment);
        }
        self.metrics.breaker(environment.as_str(), self.is_away(environment));
        if let Err(bunq::Error::Throttle { retry_after, .. }) = &result {
            self.limiter.throttled(environment, call, self.clock.monotonic() + *retry_after);
        }
        result.map_err(|source| Stop::Bank { source })
    }

    /// How far off this user's turn is to ask whether the bank is back; zero while it waits for none.
    pub(crate) fn probe_in(&self, environment: Environment, user: &str) -> Duration {
        self.breaker.probe_in(environment, user, self.clock.monotonic()).unwrap_or_default()
    }

    /// For how long the bank's signatures have been wrong in this context.
    pub(crate) fn doubted_for(&self, context: &str) -> Duration {
        self.doubts.last_for(context, self.clock.monotonic())
    }

    /// Whether the bank counts as away.
    pub(crate) fn is_away(&self, environment: Environment) -> bool {
        self.breaker.is_open(environment)
    }

    fn count(&self, environment: Environment, call: Call, failure: Option<Class>, took: Duration) {
        let environment = environment.as_str();
        let outcome = failure.map_or("success", outcome);
        let (method, endpoint) = (call.method().as_str(), call.template());
        self.metrics.bank_call(BankCall { environment, method, endpoint, outcome }, took);
        if failure == Some(Class::Unverified) {
            self.metrics.bank_answer_unverified(environment);
        }
    }
}

/// The label of the metric: a closed set.
fn outcome(class: Class) -> &'static str {
    match class {
        Class::Credentials => "credentials",
        Class::Session => "session",
        Class::NotFound => "not_found",
        Class::MethodNotAllowed => "method_not_allowed",
        Class::Refused => "refused",
        Class::DeviceExists => "device_exists",
        Class::UserSessionExists => "user_session_exists",
        Class::Throttled { .. } => "throttled",
        Class::Unavailable => "unavailable",
        Class::Unexpected => "unexpected",
        Class::Unverified => "unverified",
        Class::Malformed => "malformed",
        Class::Network { .. } => "network",
        Class::Local => "local",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::controller::fixtures::{Scripted, ScriptedBank, Seconds, bank_refusal, keeper};

    const HERE: Environment = Environment::Sandbox;
    const CALL: Call = Call::CreateSession;

    struct World {
        clock: Arc<Seconds>,
        server: Scripted,
        returned: Arc<Mutex<Vec<Environment>>>,
        gate: Gate,
    }

    fn world() -> World {
        let (clock, server) = (Arc::<Seconds>::default(), Scripted::default());
        let returned = Arc::<Mutex<Vec<Environment>>>::default();
        let contexts = Arc::new(ContextStore::new(server.client(keeper), "bunq-operator"));
        let banks = ScriptedBank::new(|_| (200, json!({}))).banks();
        let heard = Arc::clone(&returned);
        let on_return = move |environment| heard.lock().unwrap().push(environment);
        let gate = Gate::new(banks, LimitMode::Bunq, contexts, clock.clone(), Arc::default(), on_return);
        World { clock, server, returned, gate }
    }

    impl World {
        async fn turn(&self) -> Result<Turn, Stop> {
            let asker = Asker { namespace: "shop", user: "u1" };
            self.gate.take_turn(asker, HERE, CALL, Priority::Change).await
        }

        async fn call(&self, answer: Result<(), bunq::Error>) -> Result<(), Stop> {
            let turn = self.turn().await?;
            self.gate.call(turn, std::future::ready(answer)).await
        }
    }

    /// A bank that is away.
    fn away() -> bunq::Error {
        use crate::bunq::{Fault, Stage, TransportError};
        let source = TransportError { stage: Stage::NotSent, fault: Fault::Connect, detail: String::new() };
        bunq::Error::Reach { call: CALL, request_id: String::new(), source }
    }

    #[tokio::test]
    async fn a_call_has_its_turn_or_is_told_when_it_comes_and_an_earlier_process_is_asked_after_once() {
        let world = world();
        assert!(world.turn().await.is_ok());
        let Err(Stop::Limit { until, call }) = world.turn().await else { panic!("one session in a window") };
        assert_eq!((until.as_second(), call.as_str()), (33, "POST session-server"));
        world.clock.set(33);
        assert!(world.turn().await.is_ok());
        assert_eq!(world.server.asked(), ["GET /api/v1/namespaces/bunq-operator/secrets"]);
    }

    #[tokio::test]
    async fn a_bank_that_is_away_is_asked_now_and_then_and_its_return_is_told_once() {
        let world = world();
        for second in [0, 40, 80] {
            world.clock.set(second);
            assert!(matches!(world.call(Err(away())).await, Err(Stop::Bank { .. })));
        }
        assert!(world.gate.is_away(HERE) && !world.gate.is_away(Environment::Production));
        assert!(matches!(world.turn().await, Err(Stop::Outage)));
        assert_eq!(world.gate.probe_in(HERE, "u1"), Duration::from_secs(20));
        world.clock.set(120);
        assert!(world.call(Ok(())).await.is_ok(), "this is the probe");
        world.clock.set(160);
        assert!(world.call(Ok(())).await.is_ok());
        assert_eq!(*world.returned.lock().unwrap(), [HERE]);
    }

    #[tokio::test]
    async fn signatures_are_wrong_for_as_long_as_no_answer_in_between_was_believed() {
        let world = world();
        let unsigned = || bunq::Error::Distrust {
            call: CALL,
            status: 200,
            reason: bunq::Distrust::SignatureWrong,
            request_id: String::new(),
            response_id: None,
        };
        let hours = |hours: u64| 3600 * hours;
        for (hour, answer, doubted) in [
            (0, Err(unsigned()), 0),
            (1, Err(unsigned()), hours(1)),
            (2, Ok(()), 0),
            (3, Err(unsigned()), 0),
            // It says nothing of signatures.
            (4, Err(away()), hours(1)),
            (5, Err(unsigned()), hours(2)),
        ] {
            world.clock.set(hours(hour));
            assert_eq!(world.call(answer).await.is_ok(), hour == 2);
            assert_eq!(world.gate.doubted_for("u1"), Duration::from_secs(doubted), "hour {hour}");
            assert_eq!(world.gate.doubted_for("another"), Duration::ZERO);
        }
    }

    #[tokio::test]
    async fn who_is_throttled_closes_the_window_for_everybody() {
        let world = world();
        let (_, body) = bank_refusal(429);
        let answer = bunq::Answer {
            call: CALL,
            status: 429,
            text: body.to_string(),
            request_id: String::new(),
            response_id: None,
        };
        let throttled = bunq::Error::Throttle { answer, retry_after: Duration::from_secs(90) };
        assert!(world.call(Err(throttled)).await.is_err());
        let Err(Stop::Limit { until, .. }) = world.turn().await else { panic!("it is closed") };
        assert!(until.as_second() >= 90, "{until}");
    }

    #[tokio::test]
    async fn no_more_than_eight_calls_are_under_way() {
        use futures::FutureExt;
        let gate = world().gate;
        let mut slots = Vec::new();
        for _ in 0..BANK_CALLS {
            slots.push(gate.slot().await);
        }
        assert!(gate.slot().now_or_never().is_none());
        slots.pop();
        assert!(gate.slot().now_or_never().is_some());
    }
}
