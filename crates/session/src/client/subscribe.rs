//! SUBSCRIBE and UNSUBSCRIBE, and their answers.

use topicwire_codec::{
    EncodeError, PacketId, Suback, Subscribe, SubscribeFilter, SubscribeFilters, SubscribeOptions,
    TopicFilters, Unsuback, Unsubscribe, UserProperties, Version,
};
use topicwire_topics::{SubscriptionFilter, TopicFilter};

use super::Client;
use super::event::{Event, Ticket};
use super::fault::Fault;
use super::link::Request;
use super::misuse::Misuse;
use super::span::Span;

/// What a SUBSCRIBE asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subscription<'a> {
    /// The filters and how to send what they match; at least one [MQTT-3.8.3-2].
    pub filters: &'a [SubscribeFilter<'a>],
    /// A number that comes with every message of these subscriptions, 1 to 268,435,455. 5.0 only.
    pub subscription_id: Option<u32>,
    /// Left out before 5.0.
    pub user_properties: UserProperties<'a>,
}

impl Client {
    /// Subscribes: ends with [`Event::Subscribed`], or with [`Event::Abandoned`] where the connection does.
    ///
    /// # Errors
    /// [`Misuse::NotConnected`]; a filter that is not well formed [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.8.2-1],
    /// [MQTT-4.8.2-2]; No Local on a Shared Subscription [MQTT-3.8.3-4]; what the server has said that it does not take;
    /// options that the version does not have.
    pub fn subscribe(&mut self, subscription: &Subscription<'_>) -> Result<Ticket, Misuse> {
        if !self.link.can_send() {
            return Err(Misuse::NotConnected);
        }
        for filter in subscription.filters {
            self.check_filter(filter)?;
        }
        if subscription.subscription_id.is_some() {
            if !self.link.version.is_v5() {
                return Err(Misuse::NeedsV5 { what: "a subscription identifier" });
            }
            if !self.link.server.subscription_ids_available {
                return Err(Misuse::SubscriptionIdsNotSupported);
            }
        }
        let filters = SubscribeFilters::from_slice(subscription.filters);
        self.request(true, filters.len(), |packet_id, version, out| {
            let &Subscription { subscription_id, user_properties, .. } = subscription;
            Subscribe { packet_id, subscription_id, user_properties, filters }.encode(version, out)
        })
    }

    /// Ends subscriptions: ends with [`Event::Unsubscribed`], or with [`Event::Abandoned`] where the connection does.
    ///
    /// # Errors
    /// [`Misuse::NotConnected`]; a filter that is not well formed; no filter [MQTT-3.10.3-2].
    pub fn unsubscribe(
        &mut self,
        topic_filters: &[&str],
        user_properties: UserProperties<'_>,
    ) -> Result<Ticket, Misuse> {
        if !self.link.can_send() {
            return Err(Misuse::NotConnected);
        }
        for topic_filter in topic_filters {
            self.parse_filter(topic_filter)?;
        }
        self.request(false, topic_filters.len(), |packet_id, version, out| {
            let topic_filters = TopicFilters::from_slice(topic_filters);
            Unsubscribe { packet_id, user_properties, topic_filters }.encode(version, out)
        })
    }

    fn request(
        &mut self,
        is_subscribe: bool,
        filter_count: usize,
        encode: impl FnOnce(PacketId, Version, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Ticket, Misuse> {
        if !self.has_out_room() {
            return Err(Misuse::OutBufferFull);
        }
        let packet_id = self.session.outbound.open_request()?;
        if let Err(misuse) = self.write(|version, out| encode(packet_id, version, out)) {
            self.session.outbound.close_request(packet_id);
            return Err(misuse);
        }
        let ticket = self.next_ticket();
        self.link.requests.insert(packet_id, Request { ticket, is_subscribe, filter_count });
        Ok(ticket)
    }

    /// `$share/` means something in 5.0 only; before, it is left to the server.
    fn parse_filter<'f>(&self, text: &'f str) -> Result<(bool, TopicFilter<'f>), Misuse> {
        if !self.link.version.is_v5() {
            return Ok((false, TopicFilter::new(text)?));
        }
        let filter = SubscriptionFilter::parse(text)?;
        Ok((filter.share_name.is_some(), filter.topic_filter))
    }

    fn check_filter(&self, filter: &SubscribeFilter<'_>) -> Result<(), Misuse> {
        let (is_shared, topic_filter) = self.parse_filter(filter.topic_filter)?;
        let (server, options) = (&self.link.server, filter.options);
        if !self.link.version.is_v5() && options != SubscribeOptions::from_qos(options.qos) {
            return Err(Misuse::NeedsV5 { what: "a subscription option other than the QoS" });
        }
        if is_shared && options.no_local {
            return Err(Misuse::NoLocalOnSharedSubscription);
        }
        if is_shared && !server.shared_subscription_available {
            return Err(Misuse::SharedSubscriptionsNotSupported);
        }
        if topic_filter.has_wildcards() && !server.wildcard_subscription_available {
            return Err(Misuse::WildcardsNotSupported);
        }
        Ok(())
    }

    /// SUBACK: one Reason Code for each filter [MQTT-3.8.4-6], under the identifier of the SUBSCRIBE [MQTT-3.8.4-2].
    pub(super) fn handle_suback(&mut self, suback: &Suback<'_>, packet: Span) -> Result<(), Fault> {
        let ticket = self.answered(suback.packet_id, true, Some(suback.reason_codes.len()))?;
        self.events.push_back(Event::Subscribed { ticket, packet });
        Ok(())
    }

    /// UNSUBACK: in 5.0 with one Reason Code for each filter [MQTT-3.11.3-1].
    pub(super) fn handle_unsuback(&mut self, unsuback: &Unsuback<'_>, packet: Span) -> Result<(), Fault> {
        let code_count = self.link.version.is_v5().then(|| unsuback.reason_codes.len());
        let ticket = self.answered(unsuback.packet_id, false, code_count)?;
        self.events.push_back(Event::Unsubscribed { ticket, packet });
        Ok(())
    }

    fn answered(
        &mut self,
        packet_id: PacketId,
        is_subscribe: bool,
        code_count: Option<usize>,
    ) -> Result<Ticket, Fault> {
        let request = self.link.requests.get(&packet_id);
        let Some(request) = request.filter(|request| request.is_subscribe == is_subscribe).copied() else {
            return Err(Fault::protocol_error("the answer to a request that was not made"));
        };
        if code_count.is_some_and(|count| count != request.filter_count) {
            return Err(Fault::protocol_error("an answer with more or fewer Reason Codes than filters"));
        }
        self.link.requests.remove(&packet_id);
        self.session.outbound.close_request(packet_id);
        Ok(request.ticket)
    }
}
