//! The verdicts of a real API server.

use std::fmt::Write as _;

use bunq_oauth_operator::api::BunqOAuthClient;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, PostParams};

use super::{SpecCase, all_cases};

/// Tries every case as a dry run and fails with the list of those that the
/// server judges otherwise. The definition must be installed, the namespace
/// must exist, and no operator should be at work in it.
pub async fn verdicts_of_the_api_server(client: kube::Client, namespace: &str) -> Result<(), String> {
    let resource = ApiResource::erase::<BunqOAuthClient>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
    let mut differences = String::new();
    for case in all_cases() {
        if let Err(difference) = judge(&api, &case).await {
            let _ = writeln!(differences, "{}: {difference}", case.name);
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

/// Compares the server's verdict on one case, and the field it names.
async fn judge(api: &Api<DynamicObject>, case: &SpecCase) -> Result<(), String> {
    let object = parse(&case.object)?;
    let answer = match &case.old {
        None => api.create(&dry_run(), &object).await.map(drop),
        Some(old) => {
            let old = parse(old)?;
            let stored = api
                .create(&PostParams::default(), &old)
                .await
                .map_err(|error| format!("store the object before the update: {error}"))?;
            let name = stored.metadata.name.clone().unwrap_or_default();
            let mut update = object;
            update.metadata.resource_version = stored.metadata.resource_version;
            let answer = api.replace(&name, &dry_run(), &update).await.map(drop);
            api.delete(&name, &DeleteParams::default())
                .await
                .map_err(|error| format!("delete the object after the update: {error}"))?;
            answer
        }
    };
    match answer {
        Ok(()) if case.accepted => Ok(()),
        Ok(()) => Err("the server accepts it".to_owned()),
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => {
            if case.accepted {
                Err(format!("the server refuses it: {}", status.message))
            } else if status.message.contains(case.field) {
                Ok(())
            } else {
                Err(format!("the refusal does not name the field: {}", status.message))
            }
        }
        Err(error) => Err(format!("the server gave no verdict: {error}")),
    }
}

fn dry_run() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

fn parse(object: &serde_json::Value) -> Result<DynamicObject, String> {
    serde_json::from_value(object.clone()).map_err(|error| format!("read the case: {error}"))
}
