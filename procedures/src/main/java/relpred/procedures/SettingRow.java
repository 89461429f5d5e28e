package relpred.procedures;

import relpred.client.Setting;

/** A row of relpred.config.show. The fields are the columns, in this order. */
public final class SettingRow {
    public final String key;
    public final Object value;

    SettingRow(Setting one) {
        this.key = one.key();
        this.value = one.value();
    }
}
