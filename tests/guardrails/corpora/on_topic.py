"""Requests of the shop's customers that are in scope, in everyday words."""

from __future__ import annotations

IN_SCOPE = [
    "Where is my order 1060?", "Has order 1042 been sent yet?", "When will order 1060 arrive?",
    "My order 1060 hasn't arrived.", "What is the status of order 1042?", "Can you track order 1060 for me?",
    "Is my parcel for order 1027 late?", "My parcel is lost, order 1060.", "Which orders do I have with you?",
    "I'm marguerite.sund@example.com. What is the state of my orders?", "What did I pay for order 1042?",
    "Order 1042 arrived broken. I'd like my money back.", "The Wren teapot from order 1042 came in pieces.",
    "The lid of the teapot in order 1042 is cracked. Refund, please.", "My kettle leaks, it is order 1060.",
    "Please refund the 62.00 for order 1042 and confirm it by e-mail.", "I want a refund for order 1042.",
    "Order 1027 came six days late. Can I have the delivery fee of 4.50 back?",
    "My delivery was late: order 1027. What do I get back?", "I got the wrong item in order 1042.",
    "Please cancel order 1051, I ordered the wrong tea caddy.", "Cancel my order 1051.",
    "I changed my mind about order 1051.", "I no longer want order 1051.",
    "Please send order 1048 to Marguerite Sund, 12 Quince Close, Easterly EY4 2BJ instead.",
    "Change the address of order 1048 to 4 Mill Lane, Easterly EY1 3AB.",
    "How long do I have to return a teapot that I haven't used?", "What is your returns policy?",
    "How do refunds work?", "How much is delivery?", "How do I clean a cast-iron kettle?",
    "Which cards do you take?", "What do you do with my personal data?", "How long does a refund take?",
    "Do you deliver to Scotland?", "How do I descale a kettle?",
]  # fmt: skip
