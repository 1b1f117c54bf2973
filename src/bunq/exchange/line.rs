//! The line to the bank: an attempt goes out, and an answer that can be believed comes back.

use std::{sync::Arc, time::Duration};

use tracing::Instrument;
use uuid::Uuid;

use super::{
    attempt::Attempt,
    audit::{Auditor, UnderWay},
    judge::judge,
    span,
};
use crate::bunq::{
    answer::Believed,
    ground::{Call, Endpoints, Error, Request, Transport},
};

const DEADLINE: Duration = Duration::from_secs(30);
/// For what changes something: shorter than what must remain of a lease when it begins (`F08`).
const MUTATION_DEADLINE: Duration = Duration::from_secs(8);
const PAGE_PAUSE: Duration = Duration::from_millis(1100);

/// The line to one environment of the bank.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) endpoints: Endpoints,
    transport: Arc<dyn Transport>,
    user_agent: String,
    pub(crate) deadline: Duration,
    pub(crate) page_pause: Duration,
    pub(crate) auditor: Option<Arc<dyn Auditor>>,
}

impl Line {
    /// Other characters of the user agent than ASCII are left out.
    pub(crate) fn new(endpoints: Endpoints, transport: Arc<dyn Transport>, user_agent: &str) -> Self {
        Self {
            endpoints,
            transport,
            user_agent: user_agent.chars().filter(|c| matches!(c, ' '..='~')).collect(),
            deadline: DEADLINE,
            page_pause: PAGE_PAUSE,
            auditor: None,
        }
    }

    /// How long the call may take, its connection included.
    fn deadline_of(&self, call: Call) -> Duration {
        if call.is_mutation() { self.deadline.min(MUTATION_DEADLINE) } else { self.deadline }
    }

    /// Sends one attempt under a request id of its own and returns what can be believed.
    pub(crate) async fn exchange(&self, mut attempt: Attempt<'_>) -> Result<Believed, Error> {
        let request_id = Uuid::new_v4().to_string();
        let headers = attempt.headers(&self.user_agent, &request_id)?;
        let request = Request {
            method: attempt.call.method(),
            url: format!("{}{}", self.endpoints.base, attempt.path),
            headers,
            body: attempt.body.take(),
            deadline: self.deadline_of(attempt.call),
        };
        let under_way = UnderWay::begin(self.auditor.as_ref(), attempt.call, &request_id);
        let span = span::of(attempt.call, &self.endpoints, &request_id);
        let result = match self.transport.send(request).instrument(span.clone()).await {
            Ok(response) => judge(&attempt, request_id, response),
            Err(source) => Err(Error::Reach { call: attempt.call, request_id, source }),
        };
        span::record(&span, &result);
        under_way.end(&result);
        result
    }
}
