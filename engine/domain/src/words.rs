//! The macro that declares enumerations with a stable word for each variant.

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
            #[repr(u8)]
            pub enum $name {
                $($(#[$variant_meta])* $variant,)*
            }

            impl $name {
                /// Every variant, in order.
                pub const ALL: &[Self] = &[$(Self::$variant),*];

                /// The word for this variant in text and JSON.
                pub fn word(self) -> &'static str {
                    match self {
                        $(Self::$variant => $word,)*
                    }
                }

                /// The variant with this word.
                pub fn from_word(word: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|variant| variant.word() == word)
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    out.write_str(self.word())
                }
            }

            $crate::fields::as_field! { $name => |value| $crate::fields::FieldValue::Word(value.word()); }

            impl crate::sample::Sample for $name {
                fn sample(draw: &mut dyn FnMut() -> u64) -> Self {
                    crate::sample::pick(Self::ALL, draw())
                }
            }
        )*
    };
}

pub(crate) use words;
