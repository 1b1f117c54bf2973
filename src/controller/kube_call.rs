//! Every call to the API server has a deadline and says what it was about (`M1`).

use std::{future::Future, time::Duration};

use super::error::Stop;

/// For one call, its connection included.
const DEADLINE: Duration = Duration::from_secs(15);

/// Runs one call.
pub(crate) async fn kube_call<T>(
    verb: &'static str,
    what: impl FnOnce() -> String,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Stop> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(Stop::Kube { verb, what: what(), source: Box::new(source) }),
        Err(_) => Err(Stop::KubeTimeout { verb, what: what(), after: DEADLINE }),
    }
}

/// 404 is an answer, not a failure.
pub(crate) fn absent<T>(result: Result<T, Stop>) -> Result<Option<T>, Stop> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Stop::Kube { source, .. }) if has_code(&source, 404) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// Whether the API server answered with this status.
pub(crate) fn failed_with<T>(result: &Result<T, Stop>, code: u16) -> bool {
    matches!(result, Err(Stop::Kube { source, .. }) if has_code(source, code))
}

fn has_code(error: &kube::Error, code: u16) -> bool {
    super::error::status_code(error) == Some(code)
}
