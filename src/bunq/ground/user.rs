//! Whose session it is.

/// A user of the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// Stands in every path.
    pub id: u64,
    /// What kind of user.
    pub kind: UserKind,
}

/// What kind of user a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserKind {
    /// A person.
    Person,
    /// A company.
    Company,
    /// Somebody who logged in by OAuth: the key is an access token.
    ApiKey,
    /// A licensed provider.
    PaymentServiceProvider,
}

impl UserKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Person, Self::Company, Self::ApiKey, Self::PaymentServiceProvider];

    /// The bank's name of the kind; [`UserKind::parse`] reads it back.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "UserPerson",
            Self::Company => "UserCompany",
            Self::ApiKey => "UserApiKey",
            Self::PaymentServiceProvider => "UserPaymentServiceProvider",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}
