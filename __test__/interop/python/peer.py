"""A paho-mqtt process that the tests drive: one JSON object a line in, one a line out.

A request names an operation and a client of this process, `{"id": 7, "op": "subscribe", "client": "a", ...}`, and is
answered by `{"id": 7, "result": {...}}` or `{"id": 7, "error": "..."}`. Messages come in between as
`{"event": "message", "client": "a", ...}`. Payloads are base64. The same file runs on paho-mqtt 1.6 and on 2.x.
"""

import base64
import json
import ssl
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TIMEOUT_SECS = 10
write_lock = threading.Lock()


def write(line):
    with write_lock:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def number(reason_code):
    """1.6 gives integers to 3.x clients; the rest are objects with a value."""
    return int(getattr(reason_code, "value", reason_code))


def properties_for(packet_type, values):
    if not values:
        return None
    properties = Properties(packet_type)
    for name, value in values.items():
        if name == "CorrelationData":
            value = base64.b64decode(value)
        if name == "UserProperty":
            value = [tuple(pair) for pair in value]
        setattr(properties, name, value)
    return properties


def properties_of(message):
    values = message.properties.json() if getattr(message, "properties", None) else {}
    correlation = getattr(getattr(message, "properties", None), "CorrelationData", None)
    if correlation is not None:
        values["CorrelationData"] = base64.b64encode(correlation).decode()
    return values


class Client:
    """One MQTT client and the answers it waits for."""

    def __init__(self, name, request):
        self.name = name
        self.is_v5 = request["version"] == 5
        arguments = {"client_id": request["clientId"], "protocol": request["version"]}
        if not self.is_v5:
            arguments["clean_session"] = request.get("clean", True)
        if request.get("transport"):
            arguments["transport"] = request["transport"]
        if hasattr(mqtt, "CallbackAPIVersion"):
            arguments["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
        self.client = mqtt.Client(**arguments)
        self.client.on_connect = self.on_connect
        self.client.on_subscribe = self.on_subscribe
        self.client.on_unsubscribe = self.on_unsubscribe
        self.client.on_message = self.on_message
        self.connected = threading.Event()
        self.connack = None
        self.granted = {}
        self.subscribed = threading.Condition()
        self.unsubscribed = threading.Event()

    def open(self, request):
        will = request.get("will")
        if will:
            self.client.will_set(
                will["topic"],
                base64.b64decode(will["payload"]),
                will.get("qos", 0),
                will.get("retain", False),
                properties_for(PacketTypes.WILLMESSAGE, will.get("properties")),
            )
        if request.get("username") is not None:
            self.client.username_pw_set(request["username"], request.get("password"))
        if request.get("certificate"):
            self.client.tls_set_context(ssl.create_default_context(cadata=request["certificate"]))
        if request.get("transport") == "websockets":
            self.client.ws_set_options(path="/mqtt")
        options = {"keepalive": request.get("keepAlive", 60)}
        if self.is_v5:
            options["clean_start"] = request.get("clean", True)
            options["properties"] = properties_for(PacketTypes.CONNECT, request.get("properties"))
        self.client.connect(request["host"], request["port"], **options)
        self.client.loop_start()
        if not self.connected.wait(TIMEOUT_SECS):
            raise TimeoutError("no CONNACK")
        return self.connack

    def on_connect(self, client, userdata, flags, reason_code, *properties):
        present = flags["session present"] if isinstance(flags, dict) else flags.session_present
        self.connack = {"reasonCode": number(reason_code), "sessionPresent": bool(present)}
        self.connected.set()

    def subscribe(self, request):
        result, packet_id = self.client.subscribe(request["filter"], request["qos"])
        if result != mqtt.MQTT_ERR_SUCCESS:
            raise RuntimeError(mqtt.error_string(result))
        with self.subscribed:
            if not self.subscribed.wait_for(lambda: packet_id in self.granted, TIMEOUT_SECS):
                raise TimeoutError("no SUBACK")
            return {"granted": self.granted.pop(packet_id)}

    def on_subscribe(self, client, userdata, packet_id, reason_codes, *properties):
        with self.subscribed:
            self.granted[packet_id] = [number(code) for code in reason_codes]
            self.subscribed.notify_all()

    def unsubscribe(self, request):
        self.unsubscribed.clear()
        self.client.unsubscribe(request["filter"])
        if not self.unsubscribed.wait(TIMEOUT_SECS):
            raise TimeoutError("no UNSUBACK")
        return {}

    def on_unsubscribe(self, client, userdata, *rest):
        self.unsubscribed.set()

    def on_message(self, client, userdata, message):
        write({
            "event": "message",
            "client": self.name,
            "topic": message.topic,
            "payload": base64.b64encode(message.payload).decode(),
            "qos": message.qos,
            "retain": bool(message.retain),
            "properties": properties_of(message),
        })

    def publish(self, request):
        options = {}
        if self.is_v5:
            options["properties"] = properties_for(PacketTypes.PUBLISH, request.get("properties"))
        info = self.client.publish(
            request["topic"],
            base64.b64decode(request["payload"]),
            request.get("qos", 0),
            request.get("retain", False),
            **options,
        )
        info.wait_for_publish(TIMEOUT_SECS)
        if not info.is_published():
            raise TimeoutError("no acknowledgement")
        return {}

    def close(self):
        """In order, with DISCONNECT. The thread has to run for it to be sent and to end by itself."""
        self.client.disconnect()
        self.client.loop_stop()
        return {}

    def drop(self):
        """Without DISCONNECT, as if the cable had been pulled; the thread first, or it would connect again."""
        self.client.loop_stop()
        self.client.socket().close()
        return {}


def main():
    clients = {}
    for line in sys.stdin:
        request = json.loads(line)
        operation, name = request["op"], request["client"]
        try:
            if operation == "open":
                clients[name] = Client(name, request)
                result = clients[name].open(request)
            elif operation in ("subscribe", "unsubscribe", "publish"):
                result = getattr(clients[name], operation)(request)
            elif operation in ("close", "drop"):
                result = getattr(clients.pop(name), operation)()
            else:
                raise ValueError("no such operation: " + operation)
            write({"id": request["id"], "result": result})
        except Exception as error:  # whatever it is belongs in the failing test's output
            write({"id": request["id"], "error": "{}: {}".format(type(error).__name__, error)})


main()
