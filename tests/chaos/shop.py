"""Makes a database ready: the product's schema, the example agent's tables, a trigger that counts the shop's changes.

    python -m tests.chaos.shop      (PLANGATE_DATABASE_URL, PLANGATE_AGENTS)

The trigger is the shop's own record: it counts each update of an order, also one that changes nothing, in the
transaction of the update.
"""

from __future__ import annotations

import asyncio
import os

from sqlalchemy import text

from activities.catalogue import Catalogue, agents_folder
from activities.storage.store import Store
from tests.chaos.records import CHANGES
from workers.worker import prepare_agents

_COLUMNS = "order_id, status_before, status, cancel_reason, name, line1, line2, city, postcode, country"
_VALUES = (
    "NEW.order_id, OLD.status, NEW.status, NEW.cancel_reason, NEW.name, NEW.line1, NEW.line2, NEW.city, NEW.postcode,"
    " NEW.country"
)
_TABLE = f"CREATE TABLE {CHANGES} (number {{serial}}, {_COLUMNS.replace(',', ' TEXT,')} TEXT)"
_SQLITE = (
    _TABLE.format(serial="INTEGER PRIMARY KEY AUTOINCREMENT"),
    f"CREATE TRIGGER count_changes AFTER UPDATE ON shop_orders BEGIN"
    f" INSERT INTO {CHANGES} ({_COLUMNS}) VALUES ({_VALUES}); END",
)
_POSTGRES = (
    _TABLE.format(serial="BIGSERIAL PRIMARY KEY"),
    f"CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN INSERT INTO {CHANGES} ({_COLUMNS}) VALUES ({_VALUES}); RETURN NEW; END $$",
    "CREATE TRIGGER count_changes AFTER UPDATE ON shop_orders FOR EACH ROW EXECUTE FUNCTION count_change()",
)


async def prepare(url: str) -> None:
    """Make an empty database ready."""
    catalogue = Catalogue.load([agents_folder(os.environ["PLANGATE_AGENTS"])])
    assert not catalogue.broken, catalogue.broken
    async with await Store.open(url, upgrade=True) as store:
        await prepare_agents(catalogue, store)
        async with store.transaction() as connection:
            for statement in _POSTGRES if store.dialect == "postgresql" else _SQLITE:
                await connection.execute(text(statement))


if __name__ == "__main__":
    asyncio.run(prepare(os.environ["PLANGATE_DATABASE_URL"]))
