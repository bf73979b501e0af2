//! The optional parts of the protocol: what CONNACK says of those that are switched off, and what becomes of a client
//! that uses them all the same.

use topicwire_codec::{ConnackProperties, Publish, QoS, ReasonCode, Will};
use topicwire_topics::SubscriptionFilter;

use crate::fault::Fault;
use crate::hook::Refusal;

/// The parts of the protocol that a server may do without. CONNACK tells a 5.0 client what is switched off; a client that
/// uses it all the same breaks the protocol, and one of an older version, which cannot be told, is refused as far as
/// its packets allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// The highest QoS of a PUBLISH or a Will, and the highest that a subscription is granted.
    pub maximum_qos: QoS,
    /// Retained messages.
    pub retain: bool,
    /// Subscriptions with `+` or `#`.
    pub wildcard_subscriptions: bool,
    /// Subscription Identifiers.
    pub subscription_identifiers: bool,
    /// Shared Subscriptions.
    pub shared_subscriptions: bool,
}

/// All of the protocol.
impl Default for Features {
    fn default() -> Self {
        Self {
            maximum_qos: QoS::ExactlyOnce,
            retain: true,
            wildcard_subscriptions: true,
            subscription_identifiers: true,
            shared_subscriptions: true,
        }
    }
}

impl Features {
    /// Says what a 5.0 client may not use. What is there is not mentioned: absence means that it is.
    pub(crate) fn announce(self, properties: &mut ConnackProperties<'_>) {
        let unless = |is_available: bool| (!is_available).then_some(false);
        // [MQTT-3.2.2-9]
        properties.maximum_qos = Some(self.maximum_qos).filter(|qos| *qos != QoS::ExactlyOnce);
        properties.retain_available = unless(self.retain);
        properties.wildcard_subscription_available = unless(self.wildcard_subscriptions);
        properties.subscription_ids_available = unless(self.subscription_identifiers);
        properties.shared_subscription_available = unless(self.shared_subscriptions);
    }

    /// A PUBLISH that uses what is switched off is a fault in every version: 3.x has no way to refuse it, and must not
    /// believe that it was taken as it was meant [MQTT-3.2.2-11, 3.2.2-14].
    #[inline]
    pub(crate) fn check_publish(self, publish: &Publish<'_>) -> Result<(), Fault> {
        if publish.qos > self.maximum_qos {
            return Err(Fault::new(ReasonCode::QoSNotSupported, "a PUBLISH above the Maximum QoS"));
        }
        if publish.retain && !self.retain {
            return Err(Fault::new(ReasonCode::RetainNotSupported, "retained messages are switched off"));
        }
        Ok(())
    }

    /// [MQTT-3.2.2-12, 3.2.2-13]
    pub(crate) fn check_will(self, will: &Will<'_>) -> Result<(), Refusal> {
        if will.qos > self.maximum_qos {
            return Err(Refusal::new(ReasonCode::QoSNotSupported, "a will above the Maximum QoS"));
        }
        if will.retain && !self.retain {
            let reason = "a retained will, and retained messages are switched off";
            return Err(Refusal::new(ReasonCode::RetainNotSupported, reason));
        }
        Ok(())
    }

    /// Why a subscription cannot be had. For a 5.0 client, whose CONNACK has said so, it is a Protocol Error that ends
    /// the connection (3.2.2.3.11 to 3.2.2.3.13); for others it is what SUBACK says of this one filter.
    /// Asked for by v3.1.1 [MQTT-3.8.3-2].
    pub(crate) fn check_subscription(
        self,
        filter: SubscriptionFilter<'_>,
        has_subscription_id: bool,
    ) -> Result<(), Refusal> {
        let (reason_code, reason) = if has_subscription_id && !self.subscription_identifiers {
            (ReasonCode::SubscriptionIdentifiersNotSupported, "subscription identifiers are switched off")
        } else if filter.share_name.is_some() && !self.shared_subscriptions {
            (ReasonCode::SharedSubscriptionsNotSupported, "shared subscriptions are switched off")
        } else if filter.topic_filter.has_wildcards() && !self.wildcard_subscriptions {
            (ReasonCode::WildcardSubscriptionsNotSupported, "subscriptions with wildcards are switched off")
        } else {
            return Ok(());
        };
        Err(Refusal::new(reason_code, reason))
    }
}
