//! What nobody could try at the real bank, as switches: one [`Habits`] is one plausible bank
//! (protocol, bunq-api §5.2).

macro_rules! habits {
    ($($(#[$doc:meta])* $name:ident, $axis:ident { $($(#[$value_doc:meta])* $value:ident,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
            pub enum $name { #[default] $($(#[$value_doc])* $value,)+ }

            impl $name {
                /// Every way that the bank may behave; the kindest is first.
                pub const ALL: &'static [Self] = &[$(Self::$value,)+];
            }
        )+

        /// One plausible bank.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct Habits { $($(#[$doc])* pub $axis: $name,)+ }

        impl Habits {
            /// Any bank: `pick` is asked for one of so many values, switch by switch.
            #[must_use]
            pub fn drawn(mut pick: impl FnMut(usize) -> usize) -> Self {
                Self { $($axis: $name::ALL[pick($name::ALL.len())],)+ }
            }
        }

        /// A switch of [`Habits`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Axis { $($(#[$doc])* $name,)+ }

        impl Axis {
            fn vary(self, banks: &[Habits]) -> Vec<Habits> {
                match self {
                    $(Self::$name => banks
                        .iter()
                        .flat_map(|bank| $name::ALL.iter().map(|$axis| Habits { $axis: *$axis, ..*bank }))
                        .collect(),)+
                }
            }
        }
    };
}

habits! {
    /// What becomes of the bodies of a creation.
    Creation, creation {
        /// Name and URL are stored.
        Stored,
        /// Accepted; name and URL are dropped.
        Ignored,
        /// `Superfluous field` for anything but the status.
        Superfluous,
        /// The array is refused, the object is stored.
        ArrayRefused,
        /// Only the status is taken, and the refusal names no field.
        StatusOnly,
        /// Every body is refused.
        Refused,
    }
    /// What becomes of PUT with a `redirect_url`.
    Put, put {
        /// It replaces whatever is there.
        Replace,
        /// It adds one more.
        Append,
        /// It says yes and does nothing.
        Ignore,
        /// It replaces when a status goes along, else it is refused.
        NeedsStatus,
        /// It is refused.
        Refuse,
    }
    /// Whether there is a `callback-url` sub-resource.
    Routes, routes {
        /// There is.
        On,
        /// It answers 404.
        Off,
    }
    /// How a client shows its URLs.
    Shape, shape {
        /// `callback_url[]` with ids.
        Array,
        /// Only `redirect_url`.
        Scalar,
        /// Both: an array is what a reader uses.
        Both,
        /// `callback_url[]` without ids.
        WithoutIds,
        /// Neither.
        Neither,
    }
    /// Whether a read carries the client's secret.
    Secrecy, secrecy {
        /// Always.
        Shown,
        /// The first time only.
        Once,
        /// Never.
        Hidden,
    }
    /// What the bank makes of the bytes of a URL.
    Bytes, bytes {
        /// Nothing.
        Kept,
        /// A slash at the end.
        Slash,
        /// Lower case.
        LowerCase,
    }
    /// Whether a listing holds cancelled clients.
    Cancelled, cancelled {
        /// It does.
        Listed,
        /// It does not.
        Hidden,
        /// It does not, and GET answers 404.
        Gone,
    }
    /// How long a cancellation takes.
    Cancelling, cancelling {
        /// It is there at once.
        Immediate,
        /// `CANCELLED_PENDING` for five minutes.
        Pending,
        /// It says yes and does nothing.
        Ignored,
        /// It is refused.
        Refused,
    }
    /// What becomes of PUT ACTIVE on a cancelled client.
    Reactivation, reactivation {
        /// It works.
        Allowed,
        /// It is refused.
        Refused,
        /// It says yes and does nothing.
        Ignored,
    }
    /// What becomes of a POST while a client is ACTIVE. No story may ever get there.
    Second, second {
        /// It is refused.
        Refused,
        /// It answers with the id of the one there is.
        Existing,
        /// It makes a second one.
        Made,
    }
    /// What the answer to a creation holds.
    Reply, reply {
        /// The number of the client.
        Id,
        /// Nothing of use.
        NoId,
    }
    /// What an item of a listing holds.
    Listing, listing {
        /// All that a GET shows.
        Full,
        /// Neither secret nor URLs.
        Meagre,
    }
    /// When a new client shows itself.
    Lag, lag {
        /// At once.
        None,
        /// In listings 20 seconds later.
        Lists,
        /// Anywhere 20 seconds later.
        Reads,
    }
    /// How many URLs a client may have.
    Room, room {
        /// Any number.
        Many,
        /// One.
        One,
    }
}

impl Habits {
    /// The full product of some switches; the others stay kind.
    #[must_use]
    pub fn product(axes: &[Axis]) -> Vec<Self> {
        axes.iter().fold(vec![Self::default()], |banks, axis| axis.vary(&banks))
    }
}
