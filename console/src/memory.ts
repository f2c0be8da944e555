// What this browser keeps: how one likes the page, and nothing of the service.
export function recall(name: string): string | null {
    try {
        return localStorage.getItem(`holdfast.${name}`);
    } catch {
        return null; // it is turned off
    }
}

export function remember(name: string, value: string): void {
    try {
        localStorage.setItem(`holdfast.${name}`, value);
    } catch {
        // It is turned off.
    }
}
