//! Every kind of fault on every call, and every success tampered with.

use std::time::Duration;

use bunq_oauth_operator::bunq::{Call, Class, Error};
use testbed::{
    harness::campaign::report,
    sandbox::{FaultKind, Options},
};

use super::{Conversation, Outcome, bank, key_pair, same, sandbox};

fn refusal(status: u16) -> FaultKind {
    FaultKind::Status(status, "Some words.".to_owned())
}

fn throttle(status: u16) -> FaultKind {
    FaultKind::Status(status, "Too many requests.".to_owned())
}

/// Every kind of fault on every call has its class and tells whether the bank may have acted.
pub(crate) async fn every_fault_has_its_class() -> Outcome {
    let sandbox = sandbox(Options::default()).await?;
    let bank = bank(&sandbox, None)?;
    let keys = key_pair().await?;
    let lost = Class::Network { sent: true };
    let retry_after = Duration::from_secs(3);
    let table = [
        (FaultKind::DropBefore, lost),
        (FaultKind::DropAfterCommit, lost),
        (FaultKind::TruncatedBody, lost),
        (FaultKind::HugeBody, lost),
        (FaultKind::DelayReply(Duration::from_millis(400)), lost),
        (FaultKind::Redirect("http://127.0.0.1:1/".to_owned()), Class::Unexpected),
        (FaultKind::Html(502), Class::Unavailable),
        (FaultKind::Html(404), Class::Unavailable),
        (refusal(503), Class::Unavailable),
        (refusal(491), Class::Unavailable),
        (refusal(466), Class::Refused),
        (refusal(490), Class::Refused),
        (refusal(401), Class::Session),
        (refusal(403), Class::Session),
        (refusal(404), Class::NotFound),
        (refusal(405), Class::MethodNotAllowed),
        (refusal(409), Class::Refused),
        (refusal(429), Class::Refused),
        (throttle(409), Class::Throttled { retry_after }),
        (throttle(429), Class::Throttled { retry_after }),
    ];
    for call in Call::ALL {
        for (kind, class) in &table {
            let mut talk = Conversation::open(&sandbox, &bank, &keys).await?;
            let what = format!("{call} under {kind:?}");
            let error = match talk.make_with(&sandbox, call, kind).await {
                Ok(()) => return Err(format!("{what}: succeeded")),
                Err(error) => error,
            };
            let class = match class {
                Class::Throttled { .. } if call == Call::CreateSession => {
                    Class::Throttled { retry_after: Duration::from_secs(30) }
                }
                other => *other,
            };
            same(&what, &error.class(), &class)?;
            let unknown = matches!(class, Class::Network { .. } | Class::Unexpected | Class::Unavailable);
            let applied = unknown && call.is_mutation();
            same(&what, &error.may_have_been_applied(), &applied)?;
        }
    }
    Ok(())
}

/// Ways to tamper with a success: the signature is wrong, of another body, or missing; the answer is of another
/// request, or was given before.
const TAMPERS: [FaultKind; 5] = [
    FaultKind::WrongSignature,
    FaultKind::SignatureOfOtherBody,
    FaultKind::MissingSignature,
    FaultKind::OtherRequestId,
    FaultKind::Replayed,
];

/// What comes of each call whose success was tampered with; `None`: it is taken.
fn verdict(call: Call, tamper: &FaultKind) -> Option<Class> {
    let is_told_by_its_id = matches!(tamper, FaultKind::OtherRequestId | FaultKind::Replayed);
    match call {
        // Its answer brings the key that verifies: TLS alone vouches for it.
        Call::CreateInstallation => is_told_by_its_id.then_some(Class::Unverified),
        Call::CreateDeviceServer
        | Call::CreateSession
        | Call::DeleteSession
        | Call::GetUser
        | Call::ListOauthClients
        | Call::GetOauthClient
        | Call::CreateOauthClient
        | Call::UpdateOauthClient
        | Call::ListCallbackUrls
        | Call::CreateCallbackUrl
        | Call::UpdateCallbackUrl
        | Call::DeleteCallbackUrl
        | Call::ListCredentialIps => Some(Class::Unverified),
    }
}

/// No success that was tampered with is believed, whatever the call, and a change is in doubt then (F21).
pub(crate) async fn no_tampered_success_is_believed() -> Outcome {
    let sandbox = sandbox(Options::default()).await?;
    let bank = bank(&sandbox, None)?;
    let keys = key_pair().await?;
    let (mut tampered, mut distrusted) = (0, 0);
    for call in Call::ALL {
        for kind in &TAMPERS {
            let mut talk = Conversation::open(&sandbox, &bank, &keys).await?;
            let error = talk.make_with(&sandbox, call, kind).await.err();
            let wanted = verdict(call, kind);
            same(&format!("{call} under {kind:?}"), &error.as_ref().map(Error::class), &wanted)?;
            let in_doubt = error.is_some_and(|error| error.may_have_been_applied());
            same(&format!("{call} under {kind:?}, in doubt"), &in_doubt, &(wanted.is_some() && call.is_mutation()))?;
            tampered += 1;
            distrusted += usize::from(wanted.is_some());
        }
    }
    report(&format!("tampered answers: {tampered} of {} calls, {distrusted} not believed", Call::ALL.len()));
    Ok(())
}

/// A page in the place of an answer, and a signed answer that makes no sense (F22).
pub(crate) async fn no_success_without_sense_is_believed() -> Outcome {
    let sandbox = sandbox(Options::default()).await?;
    let bank = bank(&sandbox, None)?;
    let keys = key_pair().await?;
    for call in Call::ALL {
        if call == Call::CreateInstallation {
            continue; // Its answer brings the key.
        }
        let mut talk = Conversation::open(&sandbox, &bank, &keys).await?;
        let made = talk.make_with(&sandbox, call, &FaultKind::Html(200)).await;
        let class = made.err().map(|error| error.class());
        same(&format!("{call} answered with a page"), &class, &Some(Class::Unverified))?;
        let mut talk = Conversation::open(&sandbox, &bank, &keys).await?;
        let made = talk.make_with(&sandbox, call, &FaultKind::NotJson).await;
        let class = made.err().map(|error| error.class());
        // An answer that is not read needs no form.
        let unread = matches!(
            call,
            Call::UpdateOauthClient | Call::UpdateCallbackUrl | Call::DeleteCallbackUrl | Call::DeleteSession
        );
        let wanted = (!unread).then_some(Class::Malformed);
        same(&format!("{call} without JSON"), &class, &wanted)?;
    }
    Ok(())
}
