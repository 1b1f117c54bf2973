//! What of an answer is believed.

use reqwest::header::HeaderName;

use super::attempt::{Attempt, CLIENT_REQUEST_ID};
use crate::bunq::{
    answer::{Believed, Frame},
    ground::{Distrust, Error, Response, bank_text},
};

const CLIENT_RESPONSE_ID: HeaderName = HeaderName::from_static("x-bunq-client-response-id");
const SERVER_SIGNATURE: HeaderName = HeaderName::from_static("x-bunq-server-signature");

/// Believes a success only if it answers this request and the bank signed it (`S11`, `H09`).
pub(super) fn judge(attempt: &Attempt<'_>, request_id: String, response: Response) -> Result<Believed, Error> {
    let response_id = header(&response, &CLIENT_RESPONSE_ID).map(bank_text::identifier);
    let distrust = |reason| Error::Distrust {
        call: attempt.call,
        status: response.status,
        reason,
        request_id: request_id.clone(),
        response_id: response_id.clone(),
    };
    let mut echoes = response.headers.get_all(&CLIENT_REQUEST_ID).iter();
    if echoes.any(|echo| echo.as_bytes() != request_id.as_bytes()) {
        return Err(distrust(Distrust::OtherRequest));
    }
    if !(200..=299).contains(&response.status) {
        let secrets: Vec<&str> = attempt.secrets().collect();
        let frame = Frame { call: attempt.call, request_id, response_id, secrets: &secrets };
        return Err(frame.classify(&response));
    }
    if let Some(key) = attempt.verifier {
        let signature = header(&response, &SERVER_SIGNATURE).ok_or_else(|| distrust(Distrust::SignatureMissing))?;
        key.verify(&response.body, signature).map_err(|_| distrust(Distrust::SignatureWrong))?;
    }
    Ok(Believed { call: attempt.call, status: response.status, request_id, response_id, body: response.body })
}

/// A header that occurs exactly once and is text; a repeated one means nothing.
fn header<'r>(response: &'r Response, name: &HeaderName) -> Option<&'r str> {
    let mut values = response.headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
