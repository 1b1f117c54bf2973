//! Objects of the bank are read by key. What serde derives for a struct takes an array by position,
//! too, and so would see an empty listing in `[[],null]` (`D4`, `F22`).

/// `Deserialize` for structs that derive it with `#[serde(remote = "Self")]`: from objects only.
macro_rules! by_key {
    ($($name:ident),+ $(,)?) => {
        $(impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;

                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, fields: A) -> Result<$name, A::Error> {
                        // The derived function, not this one.
                        $name::deserialize(serde::de::value::MapAccessDeserializer::new(fields))
                    }
                }

                deserializer.deserialize_map(Fields)
            }
        })+
    };
}
pub(super) use by_key;
