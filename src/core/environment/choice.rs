//! Choices that have the same words in `quarterdeck.toml` and in the templates' parameters.

use serde::{Deserialize, Serialize};

/// An enumeration with a word for each value, read by serde and from a deployed stack.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$of])* #[serde(rename = $word)] $value,)+
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$value => $word,)+ })
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$value),)+
                    other => Err(format!("{other:?} is not known, only {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

choice! {
    /// The servers' way out of a new VPC.
    Nat {
        /// The servers reach nothing outside, except through VPC endpoints that you make yourself.
        None = "none",
        /// One NAT gateway for all zones.
        Single = "single",
        /// One in each zone: survives the loss of a zone.
        PerZone = "per-zone",
    }
}

choice! {
    /// How CloudFront reaches the load balancer.
    Origin {
        /// It stays internal.
        VpcOrigin = "vpc-origin",
        /// It is open to CloudFront's addresses, with plain HTTP between the two.
        Public = "public",
    }
}

choice! {
    /// Whose metadata the servers send clients to.
    AuthorizationServer {
        /// The servers' own, which announces PKCE.
        Own = "own",
        /// Cognito's.
        Issuer = "issuer",
    }
}

choice! {
    /// The processor that an image is for.
    Architecture {
        /// AWS Graviton.
        Arm64 = "ARM64",
        /// Intel and AMD.
        X86 = "X86_64",
    }
}

choice! {
    /// Second factor of people who sign in.
    Mfa {
        /// Everybody has one.
        On = "ON",
        /// Each decides.
        Optional = "OPTIONAL",
        /// Nobody has one.
        Off = "OFF",
    }
}

choice! {
    /// Cognito's feature plan.
    Tier {
        /// With managed login pages.
        Essentials = "ESSENTIALS",
        /// With threat protection, at a higher price per user.
        Plus = "PLUS",
    }
}

choice! {
    /// When the cluster gets Fargate and Fargate Spot.
    Providers {
        /// At the end: the first cluster of an account needs time before.
        Apart = "apart",
        /// When it is made.
        WithCluster = "with-cluster",
    }
}

choice! {
    /// What happens when logs cannot be delivered.
    LogMode {
        /// They are dropped beyond a buffer.
        NonBlocking = "non-blocking",
        /// The server stops.
        Blocking = "blocking",
    }
}

choice! {
    /// How gangway speaks to a server that knows nothing of it.
    Transport {
        /// Streamable HTTP on a port of the container.
        Http = "http",
        /// Lines on the standard streams of a process that gangway starts.
        Stdio = "stdio",
    }
}

choice! {
    /// Which callers share a process or a session of such a server.
    Sessions {
        /// All of them.
        Shared = "shared",
        /// Each has its own.
        PerCaller = "per-caller",
        /// Each request has its own.
        PerRequest = "per-request",
    }
}

choice! {
    /// The scope of a tool that is not named.
    ToolScope {
        /// `read` where the server says that the tool only reads, else `write`.
        Annotations = "annotations",
        /// `read`.
        Read = "read",
        /// `write`.
        Write = "write",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::environment::Template;
    use std::fmt::Display;
    use std::str::FromStr;

    fn words<T: Display + FromStr<Err = String>>(template: Template, parameter: &str) {
        for word in template.parameter(parameter).unwrap().allowed {
            assert_eq!(word.parse::<T>().map(|choice| choice.to_string()).as_deref(), Ok(*word));
        }
        // Its refusal lists all words: those of the template, and no other.
        let refusal = "?".parse::<T>().err().unwrap();
        assert!(refusal.ends_with(&template.parameter(parameter).unwrap().allowed.join(", ")), "{refusal}");
    }

    #[test]
    fn choices_and_templates_have_the_same_words() {
        words::<Nat>(Template::Network, "NatMode");
        words::<Origin>(Template::Platform, "OriginMode");
        words::<AuthorizationServer>(Template::Server, "AuthorizationServer");
        words::<Architecture>(Template::Server, "Architecture");
        words::<Mfa>(Template::Platform, "Mfa");
        words::<Tier>(Template::Platform, "UserPoolTier");
        words::<Providers>(Template::Platform, "CapacityProviders");
        words::<LogMode>(Template::Server, "LogMode");
    }
}
