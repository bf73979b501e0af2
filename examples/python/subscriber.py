"""Prints every message that is published on test/topic. End it with Ctrl-C."""

import paho.mqtt.client as mqtt


# Called when the broker has answered CONNECT, and again after every reconnect:
# that is why the subscription belongs here and not after connect().
def on_connect(client, userdata, flags, reason_code, properties=None):
    print("connected:", reason_code, flush=True)
    client.subscribe("test/topic")


# Called for each message; the payload is bytes.
def on_message(client, userdata, message):
    print(message.topic, message.payload.decode(), flush=True)


# paho-mqtt 2 wants to know the form of the callbacks; 1.6 does not know the question.
if hasattr(mqtt, "CallbackAPIVersion"):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
else:
    client = mqtt.Client()

client.on_connect = on_connect
client.on_message = on_message
client.connect("localhost", 1883)
client.loop_forever()
