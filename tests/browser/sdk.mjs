// The clients of the official SDKs, each with every way in which it can connect.

export const CLIENTS = [
    { kind: 'auto', name: 'client 2.x auto', era: '2026-07-28' },
    { kind: 'pinned', name: 'client 2.x pinned', era: '2026-07-28' },
    { kind: 'legacy', name: 'client 2.x legacy', era: '2025-11-25' },
    { kind: 'version1', name: 'sdk 1.x', era: '2025-11-25' }
];

export const TOOLS = ['get_forecast', 'get_weather', 'list_cities'];

export const isLegacy = era => era !== '2026-07-28';
