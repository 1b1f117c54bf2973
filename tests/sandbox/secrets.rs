//! What the bank issued and must not be read anywhere else.

use super::Sandbox;

impl Sandbox {
    /// Every secret that the bank knows: API keys and access tokens, tokens of installations and
    /// sessions, client secrets and codes; those that no longer serve among them.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        self.with(|bank| {
            let mut secrets: Vec<String> = bank.keys.iter().map(|it| it.secret.clone()).collect();
            secrets.extend(bank.installations.iter().map(|it| it.token.clone()));
            secrets.extend(bank.sessions.iter().map(|it| it.token.clone()));
            secrets.extend(bank.clients.iter().map(|it| it.secret.clone()));
            secrets.extend(bank.codes.iter().map(|it| it.code.clone()));
            secrets
        })
    }
}
