//! Every kind of fault on every call, and every success tampered with.

use std::time::Duration;

use bunq_oauth_operator::bunq::{Call, Class};
use testbed::sandbox::{FaultKind, Options};

use super::{Conversation, Outcome, bank, key_pair, same, sandbox};

fn refusal(status: u16) -> FaultKind {
    FaultKind::Status(status, "Some words.".to_owned())
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
        (refusal(429), Class::Throttled { retry_after }),
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

/// No success with a wrong, foreign or missing signature is believed, whatever the call (`F21`).
pub(crate) async fn no_tampered_success_is_believed() -> Outcome {
    let sandbox = sandbox(Options::default()).await?;
    let bank = bank(&sandbox, None)?;
    let keys = key_pair().await?;
    for call in Call::ALL {
        if call == Call::CreateInstallation {
            continue; // Its answer brings the key.
        }
        for kind in [
            FaultKind::WrongSignature,
            FaultKind::MissingSignature,
            FaultKind::SignatureOfOtherBody,
            FaultKind::Html(200),
        ] {
            let mut talk = Conversation::open(&sandbox, &bank, &keys).await?;
            let made = talk.make_with(&sandbox, call, &kind).await;
            let class = made.err().map(|error| error.class());
            same(&format!("{call} under {kind:?}"), &class, &Some(Class::Unverified))?;
        }
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
