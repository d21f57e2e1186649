"""An SMTP server of the tests' own: aiosmtpd, which asks its parent what to answer.

For each MAIL, RCPT and DATA it prints a line of JSON with a number, and waits for a line with this number and the reply.
It ends when its input does.
"""

import asyncio
import itertools
import json
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP

numbers = itertools.count()
waiting = {}


def tell(**facts):
    print(json.dumps(facts), flush=True)


async def ask(**facts):
    number = next(numbers)
    waiting[number] = asyncio.get_running_loop().create_future()
    tell(number=number, **facts)
    try:
        return await waiting[number]
    finally:
        del waiting[number]


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        reply = await ask(step="MAIL", sender=address)
        if reply.startswith("2"):
            envelope.mail_from = address
        return reply

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = await ask(step="RCPT", sender=envelope.mail_from, recipient=address)
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.content, policy=policy.default)
        return await ask(
            step="DATA",
            sender=envelope.mail_from,
            recipient=envelope.rcpt_tos[0],
            headers={name.lower(): str(value) for name, value in message.items()},
            text=message.get_body(("plain",)).get_content(),
            html=message.get_body(("html",)).get_content(),
        )


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), hostname="mail.test"), "127.0.0.1", 0)
    tell(port=server.sockets[0].getsockname()[1])
    replies = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(replies), sys.stdin)
    while line := await replies.readline():
        number, _, reply = line.decode().strip().partition(" ")
        # Who asked may be gone.
        if (future := waiting.get(int(number))) and not future.done():
            future.set_result(reply)


asyncio.run(main())
