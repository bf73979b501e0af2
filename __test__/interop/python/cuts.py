"""A paho-mqtt client that stays through cuts: `cuts.py publish|subscribe PORT VERSION CLIENT_ID TOPIC`.

A subscriber writes `ready` when its subscription has been granted and then `NUMBER QOS` for each message that it is
handed. A publisher reads numbers and publishes up to each of them, excluded: even ones at QoS 1, odd ones at QoS 2; it
writes how many it has published whenever all of those are acknowledged. The end of the input ends both. The same file
runs on paho-mqtt 1.6 and on 2.x.
"""

import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

AT_A_TIME = 30


def make_client(version, client_id):
    arguments = {"client_id": client_id, "protocol": version}
    if version == 4:
        arguments["clean_session"] = False
    if hasattr(mqtt, "CallbackAPIVersion"):
        arguments["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
    client = mqtt.Client(**arguments)
    client.reconnect_delay_set(0.005, 0.05)
    client.max_inflight_messages_set(AT_A_TIME)
    return client


def connect(client, version, port):
    options = {}
    if version == 5:
        options["clean_start"] = False
        options["properties"] = Properties(PacketTypes.CONNECT)
        options["properties"].SessionExpiryInterval = 3600
    client.connect_async("127.0.0.1", port, **options)
    client.loop_start()


def write(*words):
    print(*words, flush=True)


def subscribe(client, version, port, topic):
    granted = threading.Event()

    def on_connect(client, userdata, *rest):
        if not granted.is_set():
            client.subscribe(topic, 2)

    def on_subscribe(client, userdata, *rest):
        if not granted.is_set():
            granted.set()
            write("ready")

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = lambda client, userdata, message: write(int(message.payload), message.qos)
    connect(client, version, port)
    for _ in sys.stdin:
        pass


def publish(client, version, port, topic):
    changed = threading.Condition()
    limit = 0
    acknowledged = 0

    def on_publish(client, userdata, *rest):
        nonlocal acknowledged
        with changed:
            acknowledged += 1
            changed.notify()

    def run():
        count = 0
        reported = 0
        while True:
            with changed:
                while count >= limit or count - acknowledged >= AT_A_TIME:
                    if acknowledged == count > reported:
                        reported = count
                        write(count)
                    changed.wait()
            client.publish(topic, str(count), 1 + count % 2)
            count += 1

    client.on_publish = on_publish
    connect(client, version, port)
    threading.Thread(target=run, daemon=True).start()
    for line in sys.stdin:
        with changed:
            limit = int(line)
            changed.notify()


def main():
    role, port, version, client_id, topic = sys.argv[1:]
    client = make_client(int(version), client_id)
    {"publish": publish, "subscribe": subscribe}[role](client, int(version), int(port), topic)


main()
