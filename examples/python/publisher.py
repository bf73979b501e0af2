"""Publishes one message on test/topic and ends."""

import paho.mqtt.client as mqtt

# paho-mqtt 2 wants to know the form of the callbacks; 1.6 does not know the question.
if hasattr(mqtt, "CallbackAPIVersion"):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
else:
    client = mqtt.Client()

client.connect("localhost", 1883)
client.loop_start()  # a thread of its own does the sending
client.publish("test/topic", "Hello from Python")
client.loop_stop()  # waits for that thread, which sends what is left first
